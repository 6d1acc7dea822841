// exec_recorder FILE: writes the arguments and the environment of every process image that is started on this
// machine to FILE, until SIGTERM. Prints "ready" when it records, and "N recorded, M lost" at its end. Exit
// 77 with the reason where the kernel lets it load nothing.
#include <bpf/libbpf.h>
#include <signal.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>

#include "exec_recorder.skel.h"
#include "tests/support/exec_recorder.h"

namespace {

constexpr int kWaitMs = 100;  // a signal between the look at the flag and the wait is seen after this
volatile sig_atomic_t g_stop = 0;

struct Output {
  std::FILE* file;
  std::uint64_t recorded = 0;
  bool failed = false;
};

int write_piece(void* context, void* data, std::size_t) {
  auto* out = static_cast<Output*>(context);
  const auto* piece = static_cast<const akm_exec_piece*>(data);
  out->recorded += piece->first != 0 && piece->environment == 0 ? 1 : 0;
  std::fprintf(out->file, "\n[%u %s]\n", piece->tgid, piece->environment != 0 ? "environ" : "argv");
  out->failed |= std::fwrite(piece->bytes, 1, piece->size, out->file) != piece->size;
  return 0;
}

int refuse(const char* what) {
  std::printf("%s: %s\n", what, std::strerror(errno));
  return 77;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  struct sigaction action{};
  action.sa_handler = [](int) { g_stop = 1; };
  (void)sigaction(SIGTERM, &action, nullptr);

  const std::unique_ptr<exec_recorder, void (*)(exec_recorder*)> skeleton(exec_recorder__open_and_load(),
                                                                          exec_recorder__destroy);
  if (!skeleton) return refuse("BPF object");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(argv[1], "wb"), std::fclose);
  if (!file) return refuse(argv[1]);
  Output out{.file = file.get()};
  const std::unique_ptr<ring_buffer, void (*)(ring_buffer*)> ring(
      ring_buffer__new(bpf_map__fd(skeleton->maps.pieces), write_piece, &out, nullptr), ring_buffer__free);
  if (!ring) return refuse("ring buffer");
  if (exec_recorder__attach(skeleton.get()) != 0) return refuse("sched_process_exec");
  std::printf("ready\n");
  (void)std::fflush(stdout);
  while (g_stop == 0) {
    if (const int read = ring_buffer__poll(ring.get(), kWaitMs); read < 0 && read != -EINTR) return 1;
  }
  exec_recorder__detach(skeleton.get());
  while (ring_buffer__consume(ring.get()) > 0) {
  }
  out.failed |= std::fflush(file.get()) != 0;
  std::printf("%llu recorded, %llu lost\n", static_cast<unsigned long long>(out.recorded),
              static_cast<unsigned long long>(skeleton->bss->lost));
  return out.failed ? 1 : 0;
}
