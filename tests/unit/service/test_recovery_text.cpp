#include "daemon/service/recovery_text.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::service;

Test(recovery_text, defaults_are_those_of_the_policy) {
  const auto recovery = recovery_from(Config(recovery_schema()));
  cr_assert(recovery.has_value());
  cr_assert(*recovery == policy::AdjudicationPolicy{});
}

Test(recovery_text, all_of_it_is_text) {
  const auto config = Config::parse(
      "[recovery]\nmode = \"observe\"\non_evidence = \"rekey\"\non_critical = \"rekey\"\nquorum_floor = 3\n"
      "never_evict = [\"gateway\"]\nevictions_per_window = 1\ndomain_evictions_per_window = 2\n"
      "rekeys_per_window = 5\nwindow_s = 60\nundo = \"attestation\"\n",
      "x", recovery_schema());
  cr_assert(config.has_value(), "%s", config ? "" : config.error().message().c_str());
  const auto recovery = recovery_from(*config);
  cr_assert(recovery.has_value());
  cr_assert_eq(recovery->mode, policy::Mode::observe);
  cr_assert_eq(recovery->on_evidence, policy::Verdict::rekey);
  cr_assert_eq(recovery->on_critical, policy::Verdict::rekey);
  cr_assert_eq(recovery->quorum_floor, 3);
  cr_assert_eq(recovery->evictions_per_window, 1);
  cr_assert_eq(recovery->domain_evictions_per_window, 2);
  cr_assert_eq(recovery->rekeys_per_window, 5);
  cr_assert_eq(recovery->window_s, 60);
  cr_assert_eq(recovery->undo, policy::Undo::attestation);
  cr_assert_eq(never_evict_names(*config).at(0), "gateway");
  const auto again = Config::of(recovery_values(*recovery), {}, "x", recovery_schema());
  cr_assert(again.has_value());
  cr_assert(*recovery_from(*again) == *recovery);
}

Test(recovery_text, evidence_evicts_nobody) {
  cr_assert_not(Config::parse("[recovery]\non_evidence = \"evict\"\n", "x", recovery_schema()).has_value());
  cr_assert_not(Config::parse("[recovery]\nquorum_floor = 1\n", "x", recovery_schema()).has_value());
}
