#include "daemon/watch/baseline.h"

#include <criterion/criterion.h>

#include "daemon/policy/grading.h"

using namespace akm;
using namespace akm::watch;

Test(baseline, the_first_look_tells_nothing_and_a_change_is_told_once) {
  Baseline baseline;
  cr_assert(baseline.compare({{"a", "1"}}).empty());
  const auto changes = baseline.compare({{"a", "2"}});
  cr_assert_eq(changes.size(), 1);
  cr_assert_eq(changes[0].before, "1");
  cr_assert_eq(changes[0].after, "2");
  cr_assert_not(changes[0].back);
  cr_assert(baseline.compare({{"a", "2"}}).empty());
  const auto again = baseline.compare({{"a", "1"}});
  cr_assert_eq(again.size(), 1);
  cr_assert(again[0].back);
}

Test(baseline, what_comes_and_goes_is_a_change) {
  Baseline baseline;
  (void)baseline.compare({{"a", "1"}});
  const auto changes = baseline.compare({{"b", "1"}});
  cr_assert_eq(changes.size(), 2);
  cr_assert_eq(changes[0].after, kAbsent);
  cr_assert_eq(changes[1].before, kAbsent);
}

Test(baseline, an_accepted_value_is_what_others_go_back_to) {
  Baseline baseline;
  (void)baseline.compare({{"a", "1"}});
  (void)baseline.compare({{"a", "2"}});
  baseline.accept("a");
  cr_assert_not(baseline.compare({{"a", "1"}})[0].back);
  cr_assert(baseline.compare({{"a", "2"}})[0].back);
}

Test(baseline, has_a_maximum) {
  Baseline baseline;
  (void)baseline.compare({});
  Facts many;
  for (std::size_t i = 0; i < kFactsMax + 100; ++i) many.emplace("f" + std::to_string(i), "1");
  cr_assert_eq(baseline.compare(std::move(many)).size(), kFactsMax);
}

Test(baseline, hostile_text_is_shown_plainly_and_one_that_is_back_is_an_observation) {
  const auto told = seen(policy::DetectionClass::hardening_weakened, Instant{7},
                         {"name\n\x1b", "1", std::string(1000, 'x'), false});
  cr_assert_eq(told.evidence.at("what"), "name??");
  cr_assert_eq(told.evidence.at("after").size(), 200);
  cr_assert_eq(policy::grade(told), policy::Grade::evidence);
  cr_assert_eq(told.boottime_ns, 7);
  const auto back = seen(policy::DetectionClass::hardening_weakened, Instant{7}, {"n", "1", "2", true});
  cr_assert_eq(policy::grade(back), policy::Grade::observe);
  cr_assert_eq(back.evidence.at("change"), "back");
}
