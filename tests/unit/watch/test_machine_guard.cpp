#include "daemon/watch/machine_guard.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::watch;

namespace {

policy::Detection detection(policy::DetectionClass of) {
  policy::Detection out;
  out.detection = of;
  out.boottime_ns = 5;
  out.evidence = {{"what", "x"}};
  return out;
}

}  // namespace

Test(machine_guard, says_what_was_detected_and_signals_what_counts) {
  service::EventLog events(10);
  std::size_t signals = 0;
  events.set_observer([&signals](const EventRecord&) { ++signals; });
  MachineGuard guard(policy::default_node_policy(), events, [] { return Instant{9}; });
  guard.judge(detection(policy::DetectionClass::foreign_code));
  guard.judge(detection(policy::DetectionClass::clock_jump));
  cr_assert_eq(events.history().size(), 2);
  cr_assert_eq(signals, 1, "an observation is in the log alone");
  const EventRecord& first = events.history().front();
  cr_assert_eq(first.name, "machine-critical");
  cr_assert_eq(first.boottime_ns, 5);
  cr_assert_eq(first.fields.at("class"), "foreign-code");
  cr_assert_eq(first.fields.at("what"), "x");
}

Test(machine_guard, a_flood_is_logged_and_not_signalled) {
  service::EventLog events(100);
  std::size_t signals = 0;
  events.set_observer([&signals](const EventRecord&) { ++signals; });
  MachineGuard guard(policy::default_node_policy(), events, [] { return Instant{9}; });
  for (int i = 0; i < 50; ++i) guard.judge(detection(policy::DetectionClass::hardening_weakened));
  cr_assert_eq(events.history().size(), 50);
  cr_assert_leq(signals, 10);
}
