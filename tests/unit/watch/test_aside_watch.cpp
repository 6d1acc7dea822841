#include "daemon/watch/aside_watch.h"

#include <criterion/criterion.h>

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
    (void)heard.look(watch, 20);
    cr_assert_eq(aside.jobs.size(), 1);
  }
  cr_assert(aside.work());
  cr_assert(heard.all.empty());
}
