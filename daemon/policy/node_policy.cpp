#include "daemon/policy/node_policy.h"

#include <algorithm>
#include <set>

#include "daemon/policy/grading.h"

namespace akm::policy {
namespace {

constexpr std::uint32_t kMaxCount = 1000;
constexpr std::uint32_t kMaxWindowS = 86400;

std::unexpected<Error> invalid(const std::string& where, const std::string& what) {
  return fail(Errc::config_invalid, where + ": " + what);
}

Status check_class(DetectionClass detection, const ClassPolicy& policy, bool has_hook) {
  const std::string name(detection_name(detection));
  for (const Grade grade : {Grade::observe, Grade::evidence, Grade::critical}) {
    for (const Response response : policy.on(grade)) {
      if (least_grade(response) > grade) {
        return invalid(name, std::string(response_name(response)) + " cannot follow grade " +
                                 std::string(grade_name(grade)));
      }
      if (response == Response::hook && !has_hook) return invalid(name, "hook without a hook.program");
    }
  }
  if (policy.at_most > grade_ceiling(detection)) {
    return invalid(name, "at_most is above " + std::string(grade_name(grade_ceiling(detection))) +
                             ", the most that this class can be");
  }
  if (policy.limit.count == 0 || policy.limit.count > kMaxCount)
    return invalid(name, "limit_count must be 1 to 1000");
  if (policy.limit.window_s == 0 || policy.limit.window_s > kMaxWindowS)
    return invalid(name, "limit_window_s must be 1 to 86400 s");
  return {};
}

bool good_name(const std::string& name) {
  return !name.empty() && name.size() <= kRuleNameBytes && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

Status check_combination(const Combination& rule, std::set<std::string>& names) {
  const std::string where = "combination \"" + rule.name + "\"";
  if (!good_name(rule.name) || !names.insert(rule.name).second)
    return invalid(where, "needs a name of its own: letters, digits and '-'");
  if (rule.first.empty() || rule.then.empty()) return invalid(where, "first and then must name classes");
  for (const auto* side : {&rule.first, &rule.then}) {
    for (const DetectionClass detection : *side) {
      if (!may_combine(detection))
        return invalid(where, std::string(detection_name(detection)) + " cannot be part of one");
    }
  }
  const bool overlap = std::ranges::any_of(
      rule.first, [&](DetectionClass one) { return std::ranges::find(rule.then, one) != rule.then.end(); });
  if (overlap) return invalid(where, "a class is in first and in then");
  if (rule.within_s == 0 || rule.within_s > kCombinationWindowS)
    return invalid(where, "within_s must be 1 to 86400 s");
  return {};
}

Status check_excused(const std::string& where, const std::vector<DetectionClass>& classes) {
  for (const DetectionClass detection : classes) {
    if (!may_be_excused(detection))
      return invalid(where, std::string(detection_name(detection)) + " is never excused");
  }
  return {};
}

Status check_allowance(const Allowance& one, std::set<std::string>& names) {
  const std::string where = "allow \"" + one.name + "\"";
  if (!good_name(one.name) || !names.insert(one.name).second)
    return invalid(where, "needs a name of its own: letters, digits and '-'");
  if (one.classes.empty()) return invalid(where, "classes must name some");
  AKM_TRY(check_excused(where, one.classes));
  if (one.digest.empty() && one.cgroup.empty()) return invalid(where, "needs a digest, a cgroup or both");
  const bool hex = std::ranges::all_of(
      one.digest, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!one.digest.empty() && (!hex || one.digest.size() != kDigestHexBytes))
    return invalid(where, "digest must be 64 lower-case hex digits");
  if (!one.cgroup.empty() && (!one.cgroup.starts_with('/') || one.cgroup.size() > kCgroupBytes))
    return invalid(where, "cgroup must begin with / and have at most 256 bytes");
  return {};
}

}  // namespace

Status NodePolicy::check() const {
  for (const DetectionClass detection : kDetectionClasses)
    AKM_TRY(check_class(detection, of(detection), !hook.program.empty()));
  if (combinations.size() > kCombinations) return invalid("combinations", "more than 16");
  std::set<std::string> names;
  for (const Combination& rule : combinations) AKM_TRY(check_combination(rule, names));
  if (allowances.size() > kAllowances) return invalid("allow", "more than 64");
  names.clear();
  for (const Allowance& one : allowances) AKM_TRY(check_allowance(one, names));
  AKM_TRY(check_excused("maintenance", maintenance.lowers));
  if (maintenance.longest_s == 0 || maintenance.longest_s > kMaintenanceMaxS)
    return invalid("maintenance", "longest must be 1 to 86400 s");
  const bool path =
      hook.program.empty() || (hook.program.starts_with('/') && hook.program.size() <= kHookPathBytes);
  if (!path) return invalid("hook.program", "must be an absolute path");
  if (hook.timeout_s == 0 || hook.timeout_s > kHookMaxS) return invalid("hook.timeout_s", "1 to 300 s");
  return {};
}

NodePolicy default_node_policy() {
  NodePolicy policy;
  for (const DetectionClass detection : kDetectionClasses) {
    ClassPolicy& of_class = policy.of(detection);
    of_class.mode = Mode::enforce;
    of_class.at_most = grade_ceiling(detection);
    of_class.on_observe = {Response::log};
    of_class.on_evidence = {Response::report, Response::signal, Response::log};
    of_class.on_critical = {Response::revoke_local, Response::report, Response::signal, Response::log};
  }
  // The NMM sees contradictions between other members' frames: the one who notices is not the one at fault,
  // so its own keys stay.
  for (const DetectionClass detection :
       {DetectionClass::cloned_identity, DetectionClass::stale_incarnation}) {
    policy.of(detection).on_critical = {Response::report, Response::signal, Response::log};
  }
  policy.combinations = standard_combinations();
  policy.maintenance = standard_maintenance();
  return policy;
}

}  // namespace akm::policy
