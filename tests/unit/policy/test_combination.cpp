#include "daemon/policy/combination.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::policy;
using Class = DetectionClass;

namespace {

struct Bench {
  std::vector<Combination> rules = standard_combinations();
  CombinationProgress progress;
  std::string note(Class detection, std::int64_t second, bool in_maintenance = false) {
    const auto* rule = progress.note(rules, detection, in_maintenance, Instant{second * 1'000'000'000});
    return rule == nullptr ? "" : rule->name;
  }
};

}  // namespace

Test(combination, blinding_counts_in_any_order_within_its_window) {
  Bench bench;
  cr_assert_eq(bench.note(Class::bpf_use, 1), "");
  cr_assert_eq(bench.note(Class::sensor_tampering, 61), "blinded");
  cr_assert_eq(bench.note(Class::sensor_tampering, 70), "", "it began anew");
  cr_assert_eq(bench.note(Class::module_load, 131), "", "61 s later");
  cr_assert_eq(bench.note(Class::sensor_tampering, 140), "blinded");
}

Test(combination, usb_is_followed_by_tampering_and_not_the_other_way) {
  Bench bench;
  cr_assert_eq(bench.note(Class::service_tampering, 1), "");
  cr_assert_eq(bench.note(Class::usb_insertion, 2), "");
  cr_assert_eq(bench.note(Class::config_tampering, 602), "usb-then-tampering");
  cr_assert_eq(bench.note(Class::usb_insertion, 700, true), "");
  cr_assert_eq(bench.note(Class::config_tampering, 701), "", "it was plugged in in the window");
}

Test(combination, what_anybody_can_cause_is_no_part_of_one) {
  cr_assert_not(may_combine(Class::forged_frames));
  cr_assert_not(may_combine(Class::cloned_identity));
  Bench bench;
  bench.rules = {{"x", {Class::forged_frames}, {Class::tpm_access}, 60}};
  cr_assert_eq(bench.note(Class::forged_frames, 1), "");
  cr_assert_eq(bench.note(Class::tpm_access, 2), "");
}
