#include "daemon/base/worker_thread.h"

#include <criterion/criterion.h>
#include <poll.h>

#include <csignal>

using namespace akm;

Test(worker_thread, takes_no_signal_and_leaves_the_callers_mask_alone) {
  sigset_t before;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  bool blocked = false;
  auto thread = start_thread("a thread", [&blocked] {
    sigset_t own;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &own);
    blocked = ::sigismember(&own, SIGTERM) == 1 && ::sigismember(&own, SIGHUP) == 1;
  });
  cr_assert(thread.has_value());
  thread->join();
  cr_assert(blocked);
  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  cr_assert_eq(::sigismember(&after, SIGTERM), ::sigismember(&before, SIGTERM));
}

Test(worker_thread, an_eventfd_is_readable_from_when_it_is_signalled) {
  const auto event = make_eventfd();
  cr_assert(event.has_value());
  pollfd poll{event->get(), POLLIN, 0};
  cr_assert_eq(::poll(&poll, 1, 0), 0);
  signal_eventfd(event->get());
  signal_eventfd(event->get());
  cr_assert_eq(::poll(&poll, 1, 0), 1);
}
