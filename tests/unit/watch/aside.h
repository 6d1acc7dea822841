#pragma once
// A thread aside that a test runs by hand.
#include <deque>

#include "daemon/watch/aside_watch.h"

namespace akm::test {

struct Aside {
  std::deque<keyring::TpmWorker::Job> jobs;
  bool busy = false;

  watch::RunAside run() {
    return [this](keyring::TpmWorker::Job job) -> Status {
      if (busy) return fail(Errc::busy);
      jobs.push_back(std::move(job));
      return {};
    };
  }
  /// Runs what waits, with its completion; false when nothing did.
  bool work() {
    if (jobs.empty()) return false;
    auto job = std::move(jobs.front());
    jobs.pop_front();
    job()();
    return true;
  }
};

}  // namespace akm::test
