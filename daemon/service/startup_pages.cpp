#include "daemon/service/startup_pages.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace akm::service {
namespace {

// A segment without PF_W is mapped from its file and has never been written (RELRO is part of a writable
// one), so that MADV_DONTNEED loses nothing.
int release_segments(dl_phdr_info* object, std::size_t, void* total) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  for (std::size_t i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t start = (object->dlpi_addr + segment.p_vaddr) & ~(page - 1);
    // The last page's rest is the file's too, but may be shared with what follows: it is left alone.
    const std::uintptr_t end = (object->dlpi_addr + segment.p_vaddr + segment.p_filesz) & ~(page - 1);
    if (end <= start) continue;
    // The kernel's own object (vdso) refuses; it costs nothing.
    // NOLINTNEXTLINE(performance-no-int-to-ptr): addresses of the dynamic loader are numbers
    if (madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED) == 0)
      *static_cast<std::size_t*>(total) += end - start;
  }
  return 0;
}

}  // namespace

std::size_t release_startup_pages() {
  (void)malloc_trim(0);
  std::size_t total = 0;
  (void)dl_iterate_phdr(release_segments, &total);
  return total;
}

}  // namespace akm::service
