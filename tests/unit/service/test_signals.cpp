#include "daemon/service/signals.h"

#include <criterion/criterion.h>
#include <poll.h>

#include <csignal>

#include "tests/support/fake_loop.h"

using namespace akm;

Test(signals, sigterm_stops_the_loop_and_not_the_process) {
  const auto signals = service::block_stop_signals();
  cr_assert(signals.has_value());
  test::FakeLoop loop;
  cr_assert(service::stop_on_signal(loop, *signals).has_value());
  cr_assert_eq(loop.watches.size(), 1);
  cr_assert_eq(loop.watches.begin()->second.fd, signals->get());
  cr_assert_eq(std::raise(SIGTERM), 0);
  pollfd ready{signals->get(), POLLIN, 0};
  cr_assert_eq(::poll(&ready, 1, 0), 1);
  loop.watches.begin()->second.handler(POLLIN);
  cr_assert(loop.stopped);
  cr_assert_eq(::poll(&ready, 1, 0), 0, "the signal was taken");
}

Test(signals, sighup_stops_it_to_start_anew_and_sigterm_for_good) {
  const auto signals = service::block_stop_signals();
  cr_assert(signals.has_value());
  test::FakeLoop loop;
  cr_assert(service::stop_on_signal(loop, *signals).has_value());
  cr_assert_not(service::start_anew_asked());
  cr_assert_eq(std::raise(SIGHUP), 0);
  loop.watches.begin()->second.handler(POLLIN);
  cr_assert(loop.stopped);
  cr_assert(service::start_anew_asked());
  cr_assert_eq(std::raise(SIGTERM), 0);
  loop.watches.begin()->second.handler(POLLIN);
  cr_assert_not(service::start_anew_asked(), "whoever ends it means it");
  cr_assert_eq(service::end_or_start_anew(), 0);
}

Test(signals, a_start_anew_without_arguments_is_a_failure_and_no_silent_end) {
  const auto signals = service::block_stop_signals();
  test::FakeLoop loop;
  cr_assert(service::stop_on_signal(loop, *signals).has_value());
  cr_assert_eq(std::raise(SIGHUP), 0);
  loop.watches.begin()->second.handler(POLLIN);
  cr_assert_eq(service::end_or_start_anew(), 1);
}

Test(signals, a_loop_that_cannot_watch_is_an_error) {
  const auto signals = service::block_stop_signals();
  test::FakeLoop loop;
  loop.fail_watches = true;
  cr_assert_not(service::stop_on_signal(loop, *signals).has_value());
}
