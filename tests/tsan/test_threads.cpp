// What two threads of a daemon share, under ThreadSanitizer: the arena, the log and the TPM worker's queue. A
// plain program: Criterion does not start under TSan.
#include <poll.h>

#include <array>
#include <cstdio>
#include <thread>

#include "daemon/base/log.h"
#include "daemon/base/secret.h"
#include "keyring/tpm_worker.h"

namespace {

using namespace akm;

constexpr int kJobs = 2000;

int fail_with(const char* what) {
  std::fprintf(stderr, "test_threads: %s\n", what);
  return 1;
}

/// Secrets come and go in both threads; a byte of one must never be seen in another.
bool churn(std::uint8_t mark) {
  for (std::size_t i = 0; i < 5000; ++i) {
    SecretBuffer buffer(16 + i % 600);
    for (std::uint8_t& byte : buffer.reveal_mutable()) byte = mark;
    const SecretBuffer copy = buffer.clone();
    for (const std::uint8_t byte : copy.reveal()) {
      if (byte != mark) return false;
    }
  }
  return true;
}

}  // namespace

int main() {
  log::Options options;
  options.target = log::Options::Target::text;
  options.file = "/dev/null";
  if (!log::open(options)) return fail_with("log::open");

  bool other_sound = false;
  std::thread other([&] { other_sound = churn(0x5a); });
  const bool sound = churn(0xa5);
  other.join();
  if (!sound || !other_sound) return fail_with("a secret changed under its owner");

  auto worker = keyring::TpmWorker::start();
  if (!worker) return fail_with("TpmWorker::start");
  int submitted = 0;
  int completed = 0;
  while (completed < kJobs) {
    while (submitted < kJobs) {
      const Status accepted = (*worker)->submit([&completed] {
        log::info("a job ran");
        SecretBuffer result = SecretBuffer::copy_of(std::array<std::uint8_t, 3>{1, 2, 3});
        return [&completed, kept = std::move(result)] { completed += kept.size() == 3 ? 1 : 0; };
      });
      if (!accepted) break;  // busy: the queue is bounded
      ++submitted;
    }
    pollfd ready{.fd = (*worker)->eventfd(), .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, 10'000) != 1) return fail_with("no completion came");
    (*worker)->drain();
  }
  return completed == kJobs ? 0 : fail_with("a job was lost");
}
