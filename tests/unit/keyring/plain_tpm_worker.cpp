// The TPM thread under ThreadSanitizer, under which Criterion does not start: a plain program.
#include <poll.h>

#include <cstdio>

#include "keyring/tpm_worker.h"

using akm::keyring::kTpmQueueMax;
using akm::keyring::TpmWorker;

int main() {
  constexpr int kJobs = 2000;
  int completed = 0;
  int submitted = 0;
  {
    const auto started = TpmWorker::start();
    if (!started) return 1;
    TpmWorker& worker = **started;
    while (completed < kJobs) {
      while (submitted < kJobs) {
        const auto status = worker.submit([&completed, number = submitted] {
          return [&completed, number] { completed += completed == number; };
        });
        if (!status) break;  // busy: drain first
        ++submitted;
      }
      pollfd wait{worker.eventfd(), POLLIN, 0};
      if (::poll(&wait, 1, -1) != 1) return 1;
      if (worker.drain() > kTpmQueueMax) return 1;
    }
    // The end while jobs wait.
    for (std::size_t i = 0; i < kTpmQueueMax; ++i) {
      if (!worker.submit([] { return TpmWorker::Completion(); })) return 1;
    }
  }
  std::printf("%d jobs completed in order\n", completed);
  return completed == kJobs ? 0 : 1;
}
