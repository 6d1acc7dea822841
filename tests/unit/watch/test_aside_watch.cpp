#include "daemon/watch/aside_watch.h"

#include <criterion/criterion.h>

#include "daemon/watch/one_look.h"
#include "tests/support/loop_drive.h"
#include "tests/unit/watch/aside.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Aside;
using akm::test::Heard;

Test(aside_watch, collects_aside_at_its_own_interval_and_tells_on_the_loop) {
  Aside aside;
  Heard heard;
  Result<Facts> facts = Facts{{"a", "1"}};
  AsideWatch watch(
      aside.run(), std::chrono::seconds(100), [&facts] { return facts; },
      tell_all(policy::DetectionClass::hardware_changed));
  (void)heard.look(watch, 1);
  (void)heard.look(watch, 200);
  cr_assert_eq(aside.jobs.size(), 1, "one at a time");
  cr_assert(aside.work());
  (void)heard.look(watch, 50);
  cr_assert(aside.jobs.empty(), "not before its interval has passed");
  facts = Facts{{"a", "2"}};
  (void)heard.look(watch, 101);
  cr_assert(aside.work());
  cr_assert_eq(heard.all.size(), 1);
  cr_assert_eq(heard.last("after"), "2");
  facts = fail(Errc::tpm_failed);
  (void)heard.look(watch, 300);
  cr_assert(aside.work());
  cr_assert_eq(heard.all.size(), 1, "what cannot be read is no change");
}

Test(aside_watch, a_device_that_comes_is_worth_a_look_before_its_time) {
  Aside aside;
  Heard heard;
  auto events = DeviceEvents::open(DeviceEvents::Source::kernel, {{"block", nullptr}});
  cr_assert(events.has_value());
  AsideWatch watch(
      aside.run(), std::chrono::seconds(1000), [] { return Facts{}; },
      tell_all(policy::DetectionClass::hardware_changed), std::move(*events));
  (void)heard.look(watch, 1);
  cr_assert(aside.work());
  cr_assert_not(watch.nudged());
  NEED_LOOP_DRIVE(drive);
  pollfd ready{watch.fd(), watch.events(), 0};
  cr_assert_eq(::poll(&ready, 1, -1), 1);
  cr_assert(watch.nudged());
  (void)heard.look(watch, 2);
  cr_assert_eq(aside.jobs.size(), 1);
}

Test(aside_watch, a_busy_thread_is_asked_again_and_a_late_job_finds_the_watch_gone) {
  Aside aside;
  Heard heard;
  aside.busy = true;
  {
    AsideWatch watch(
        aside.run(), std::chrono::seconds(10), [] { return Facts{}; },
        tell_all(policy::DetectionClass::hardware_changed));
    (void)heard.look(watch, 1);
    aside.busy = false;
    (void)heard.look(watch, 2);
    cr_assert_eq(aside.jobs.size(), 1, "not only when its interval has passed");
  }
  cr_assert(aside.work());
  cr_assert(heard.all.empty());
}

Test(aside_watch, what_could_not_be_read_is_read_at_the_next_look) {
  Aside aside;
  Heard heard;
  Result<Facts> facts = fail(Errc::timed_out);
  AsideWatch watch(
      aside.run(), std::chrono::seconds(1000), [&facts] { return facts; },
      tell_all(policy::DetectionClass::hardware_changed));
  (void)heard.look(watch, 1);
  cr_assert(aside.work());
  (void)heard.look(watch, 2);
  cr_assert_eq(aside.jobs.size(), 1);
}

Test(aside_watch, many_changes_are_some_and_a_number_too) {
  Aside aside;
  Heard heard;
  Facts facts;
  AsideWatch watch(
      aside.run(), Duration{0}, [&facts] { return facts; },
      tell_all(policy::DetectionClass::hardware_changed));
  (void)looked(heard, watch, aside);
  for (int i = 0; i < 20; ++i) facts["device " + std::to_string(i)] = "new";
  cr_assert_eq(looked(heard, watch, aside), kToldAtOnce + 1);
  cr_assert_eq(heard.last("count"), std::to_string(20 - kToldAtOnce));
}
