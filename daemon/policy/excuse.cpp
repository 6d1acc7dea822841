#include "daemon/policy/excuse.h"

#include <algorithm>

namespace akm::policy {
namespace {

bool is_or_any(const std::string& wanted, const Detection& detection, const std::string& field) {
  if (wanted.empty()) return true;
  const auto found = detection.subject.find(field);
  return found != detection.subject.end() && found->second == wanted;
}

}  // namespace

bool matches(const Allowance& allowance, const Detection& detection) {
  if (allowance.digest.empty() && allowance.cgroup.empty()) return false;
  return std::ranges::find(allowance.classes, detection.detection) != allowance.classes.end() &&
         is_or_any(allowance.digest, detection, "digest") &&
         is_or_any(allowance.cgroup, detection, "cgroup_path");
}

MaintenanceRules standard_maintenance() {
  MaintenanceRules out;
  for (const DetectionClass detection : kDetectionClasses) {
    if (may_be_excused(detection)) out.lowers.push_back(detection);
  }
  return out;
}

}  // namespace akm::policy
