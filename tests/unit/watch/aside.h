#pragma once
// A thread aside that a test runs by hand.
#include <deque>

#include "daemon/watch/aside_watch.h"
#include "tests/unit/watch/heard.h"

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

/// One look with its job; how many were told by it.
inline std::size_t looked(Heard& heard, watch::Watch& at, Aside& aside) {
  const std::size_t before = heard.all.size();
  (void)heard.look(at);
  (void)aside.work();
  return heard.all.size() - before;
}

}  // namespace akm::test
