#include "daemon/service/scheduling.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

using namespace akm;

namespace {

int policy_now() {
  return ::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
}

}  // namespace

Test(scheduling, priority_0_changes_nothing) {
  cr_assert(service::run_before_others(0).has_value());
  cr_assert_eq(policy_now(), SCHED_OTHER);
}

Test(scheduling, this_thread_goes_first_and_what_it_starts_does_not) {
  const Status done = service::run_before_others(1);
  if (!done) cr_skip_test("not allowed here: %s", done.error().message().c_str());
  cr_assert_eq(policy_now(), SCHED_RR);
  int in_thread = -1;
  std::thread([&in_thread] { in_thread = policy_now(); }).join();
  cr_assert_eq(in_thread, SCHED_OTHER);
}

Test(scheduling, a_refusal_is_an_error) {
  if (::geteuid() != 0) cr_skip_test("needs root to give up root");
  const rlimit none{0, 0};
  cr_assert_eq(::setrlimit(RLIMIT_RTPRIO, &none), 0);
  cr_assert_eq(::setresuid(65534, 65534, 65534), 0);
  cr_assert(service::run_before_others(1).error().code == Errc::io_failed);
  cr_assert_eq(policy_now(), SCHED_OTHER);
}
