// What AddressSanitizer does when the environment says nothing. Its defaults keep 256 MiB of freed memory, so
// that each allocation is a fresh page that the kernel clears: half of the time of a run.
extern "C" const char* __asan_default_options();

extern "C" const char* __asan_default_options() {
  return "quarantine_size_mb=16:malloc_context_size=8:max_malloc_fill_size=0";
}
