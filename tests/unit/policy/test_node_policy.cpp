#include "daemon/policy/node_policy.h"

#include <criterion/criterion.h>

#include <functional>

using namespace akm;
using namespace akm::policy;

namespace {

std::string refusal(const std::function<void(NodePolicy&)>& change) {
  NodePolicy policy = default_node_policy();
  change(policy);
  const Status status = policy.check();
  if (status) return "";
  cr_assert_eq(status.error().code, Errc::config_invalid);
  return status.error().detail;
}

}  // namespace

Test(node_policy, the_default_is_valid) {
  cr_assert(default_node_policy().check().has_value());
  cr_assert_eq(default_node_policy().combinations.size(), 2);
}

Test(node_policy, a_class_that_is_wrong_is_named) {
  using Class = DetectionClass;
  const auto forged =
      refusal([](NodePolicy& p) { p.of(Class::forged_frames).on_observe = {Response::rekey}; });
  cr_assert(forged.contains("forged-frames: rekey cannot follow grade observe"));
  const auto keys = refusal([](NodePolicy& p) { p.of(Class::key_access).on_evidence = {Response::zeroize}; });
  cr_assert(keys.contains("key-access: zeroize cannot follow grade evidence"));
  cr_assert(refusal([](NodePolicy& p) {
              p.of(Class::module_load).at_most = Grade::critical;
            }).contains("module-load"));
  cr_assert(
      refusal([](NodePolicy& p) { p.of(Class::key_access).limit.window_s = 0; }).contains("limit_window_s"));
  cr_assert(refusal([](NodePolicy& p) { p.of(Class::key_access).limit.count = 0; }).contains("limit_count"));
  cr_assert(refusal([](NodePolicy& p) {
              p.of(Class::key_access).on_critical = {Response::hook};
            }).contains("hook"));
}

Test(node_policy, combinations_are_of_what_may_be_combined) {
  const auto with = [](Combination rule) { return refusal([&](NodePolicy& p) { p.combinations = {rule}; }); };
  using Class = DetectionClass;
  cr_assert_eq(with({"a", {Class::usb_insertion}, {Class::tpm_access}}), "");
  cr_assert(with({"a", {Class::forged_frames}, {Class::tpm_access}}).contains("forged-frames"));
  cr_assert(with({"a", {Class::usb_insertion}, {Class::cloned_identity}}).contains("cloned-identity"));
  cr_assert(with({"a", {Class::combined_evidence}, {Class::tpm_access}}).contains("combined-evidence"));
  cr_assert(with({"a", {}, {Class::tpm_access}}).contains("must name classes"));
  cr_assert(with({"a", {Class::tpm_access}, {Class::tpm_access}}).contains("in first and in then"));
  cr_assert(with({"A b", {Class::usb_insertion}, {Class::tpm_access}}).contains("name of its own"));
  cr_assert(with({"a", {Class::usb_insertion}, {Class::tpm_access}, 0}).contains("within_s"));
}

Test(node_policy, keys_and_process_are_never_excused) {
  using Class = DetectionClass;
  const std::string digest(64, '0');
  const auto with = [](Allowance one) { return refusal([&](NodePolicy& p) { p.allowances = {one}; }); };
  cr_assert_eq(with({"a", {Class::bpf_use}, digest, ""}), "");
  for (const Class detection : {Class::key_access, Class::process_access, Class::state_tampering,
                                Class::sensor_impaired, Class::forged_frames, Class::combined_evidence}) {
    cr_assert(with({"a", {detection}, digest, ""}).contains("never excused"));
    cr_assert(refusal([&](NodePolicy& p) { p.maintenance.lowers = {detection}; }).contains("never excused"));
  }
  cr_assert(with({"a", {Class::bpf_use}, "", ""}).contains("digest, a cgroup or both"));
  cr_assert(with({"a", {Class::bpf_use}, "ABC", ""}).contains("hex digits"));
  cr_assert(with({"a", {Class::bpf_use}, "", "system.slice"}).contains("begin with /"));
  cr_assert(with({"a", {}, digest, ""}).contains("classes"));
}

Test(node_policy, everything_has_a_maximum) {
  cr_assert(
      refusal([](NodePolicy& p) { p.maintenance.longest_s = kMaintenanceMaxS + 1; }).contains("longest"));
  cr_assert(refusal([](NodePolicy& p) { p.hook.program = "bin/x"; }).contains("absolute"));
  cr_assert(refusal([](NodePolicy& p) { p.hook.timeout_s = 0; }).contains("timeout_s"));
  cr_assert(
      refusal([](NodePolicy& p) { p.combinations.resize(kCombinations + 1); }).contains("more than 16"));
  cr_assert(refusal([](NodePolicy& p) { p.allowances.resize(kAllowances + 1); }).contains("more than 64"));
}
