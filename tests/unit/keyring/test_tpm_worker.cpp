#include "keyring/tpm_worker.h"

#include <criterion/criterion.h>
#include <poll.h>

#include <atomic>
#include <csignal>
#include <latch>

using akm::Errc;
using akm::keyring::kTpmQueueMax;
using akm::keyring::TpmWorker;

namespace {

bool readable(const TpmWorker& worker, int timeout_ms) {
  pollfd wait{worker.eventfd(), POLLIN, 0};
  return ::poll(&wait, 1, timeout_ms) == 1;
}

std::unique_ptr<TpmWorker> worker() {
  auto started = TpmWorker::start();
  cr_assert(started);
  return std::move(*started);
}

void drain_until(TpmWorker& worker, const std::size_t& count, std::size_t wanted) {
  while (count < wanted) {
    cr_assert(readable(worker, -1));
    (void)worker.drain();
  }
}

}  // namespace

Test(tpm_worker, jobs_run_on_the_thread_in_order_and_complete_on_the_loop) {
  const auto tpm = worker();
  const std::thread::id loop = std::this_thread::get_id();
  std::vector<int> order;
  std::size_t completed = 0;
  for (int i = 0; i < 5; ++i) {
    cr_assert(tpm->submit([&, i] {
      cr_assert(std::this_thread::get_id() != loop);
      // Move-only results are carried.
      return [&, i, result = std::make_unique<int>(i)] {
        cr_assert(std::this_thread::get_id() == loop);
        cr_assert_eq(*result, i);
        order.push_back(i);
        ++completed;
      };
    }));
  }
  drain_until(*tpm, completed, 5);
  cr_assert(order == std::vector<int>({0, 1, 2, 3, 4}));
  cr_assert(!readable(*tpm, 0), "nothing is left over");
  cr_assert_eq(tpm->drain(), 0);
}

Test(tpm_worker, a_full_queue_is_busy_until_it_is_drained) {
  const auto tpm = worker();
  std::latch go(1);
  std::size_t completed = 0;
  for (std::size_t i = 0; i < kTpmQueueMax; ++i) {
    cr_assert(tpm->submit([&] {
      go.wait();
      return [&] { ++completed; };
    }));
  }
  const auto one_more = tpm->submit([] { return TpmWorker::Completion(); });
  cr_assert(!one_more);
  cr_assert(one_more.error().code == Errc::busy);
  go.count_down();
  drain_until(*tpm, completed, kTpmQueueMax);
  cr_assert(tpm->submit([&] { return [&] { ++completed; }; }));
  drain_until(*tpm, completed, kTpmQueueMax + 1);
}

Test(tpm_worker, a_completion_may_submit_again) {
  const auto tpm = worker();
  std::size_t completed = 0;
  cr_assert(tpm->submit([&] {
    return [&] {
      ++completed;
      cr_assert(tpm->submit([&] { return [&] { ++completed; }; }));
    };
  }));
  drain_until(*tpm, completed, 2);
}

Test(tpm_worker, the_end_waits_for_the_running_job_and_drops_the_waiting) {
  std::atomic<int> ran = 0;
  std::latch started(1);
  std::latch go(1);
  {
    const auto tpm = worker();
    cr_assert(tpm->submit([&] {
      started.count_down();
      go.wait();
      ++ran;
      return TpmWorker::Completion();
    }));
    cr_assert(tpm->submit([&] {
      ++ran;
      return TpmWorker::Completion();
    }));
    started.wait();
    // The end is asked for while the first job runs; it may go on only after the worker knows that.
    std::thread release([&] { go.count_down(); });
    release.detach();
  }
  cr_assert_geq(ran.load(), 1, "the running job was waited for");
}

Test(tpm_worker, signals_stay_with_the_loop_thread) {
  const auto tpm = worker();
  bool blocked = false;
  std::size_t completed = 0;
  cr_assert(tpm->submit([&] {
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    blocked = ::sigismember(&mask, SIGTERM) == 1 && ::sigismember(&mask, SIGHUP) == 1;
    return [&] { ++completed; };
  }));
  drain_until(*tpm, completed, 1);
  cr_assert(blocked);
  sigset_t mine;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mine);
  cr_assert_eq(::sigismember(&mine, SIGTERM), 0, "the loop thread's mask is as before");
}
