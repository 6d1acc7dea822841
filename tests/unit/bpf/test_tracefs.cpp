#include "bpf/loader/tracefs.h"

#include <criterion/criterion.h>
#include <unistd.h>

using namespace akm;
using namespace akm::bpf;

Test(tracefs, knows_tracepoints_by_name) {
  const auto tracefs = Tracefs::open();
  if (!tracefs) cr_skip_test("%s", tracefs.error().message().c_str());
  const auto enter = tracefs->event_id("syscalls", "sys_enter_ptrace");
  const auto leave = tracefs->event_id("syscalls", "sys_exit_ptrace");
  cr_assert(enter.has_value());
  cr_assert(leave.has_value());
  cr_assert_neq(*enter, *leave);
}

Test(tracefs, a_tracepoint_that_is_not_there_is_not_found) {
  const auto tracefs = Tracefs::open();
  if (!tracefs) cr_skip_test("%s", tracefs.error().message().c_str());
  const auto none = tracefs->event_id("syscalls", "sys_enter_no_such_call");
  cr_assert_not(none.has_value());
  cr_assert_eq(none.error().code, Errc::not_found);
}

Test(tracefs, without_privilege_says_why) {
  if (::getuid() != 0) cr_skip_test("needs root to give it up");
  cr_assert_eq(::setuid(65534), 0);
  const auto tracefs = Tracefs::open();
  // A mounted tracefs can be opened by anybody, but not read.
  if (tracefs) {
    cr_assert_not(tracefs->event_id("syscalls", "sys_enter_ptrace").has_value());
  } else {
    cr_assert_eq(tracefs.error().code, Errc::probe_failed);
    cr_assert_not(tracefs.error().detail.empty());
  }
}
