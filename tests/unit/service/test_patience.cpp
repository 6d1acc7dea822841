#include "daemon/service/patience.h"

#include <criterion/criterion.h>
#include <poll.h>

#include <csignal>
#include <future>

using namespace akm;
using namespace akm::service;

Test(patience, what_hangs_is_left_and_gives_its_result_later) {
  auto gate = std::make_shared<std::promise<void>>();
  const auto awaited = Awaited<int>::start([open = gate->get_future()] {
    open.wait();
    return 7;
  });
  cr_assert(awaited.has_value());
  cr_assert_not((*awaited)->wait_for(std::chrono::milliseconds(1)).has_value());
  gate->set_value();
  pollfd there{(*awaited)->eventfd(), POLLIN, 0};
  cr_assert_eq(::poll(&there, 1, 10'000), 1);
  cr_assert_eq((*awaited)->wait(), 7);
  cr_assert_not((*awaited)->wait_for(Duration{0}).has_value(), "once");
}

Test(patience, signals_stay_with_the_loop_thread) {
  const auto awaited = Awaited<bool>::start([] {
    sigset_t blocked;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    return ::sigismember(&blocked, SIGTERM) == 1;
  });
  cr_assert((*awaited)->wait());
  sigset_t blocked;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  cr_assert_eq(::sigismember(&blocked, SIGTERM), 0);
}
