#pragma once
// A node's whole policy: what follows a detection (docs/policy.md). The text form is the service's; here is
// what it means and what it may not say.
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/policy/combination.h"
#include "daemon/policy/excuse.h"
#include "daemon/policy/response.h"

namespace akm::policy {

inline constexpr std::uint32_t kHookMaxS = 300;
inline constexpr std::size_t kHookPathBytes = 4096;

/// A program that is run with the ids of a detection; empty: none.
struct Hook {
  std::string program;
  std::uint32_t timeout_s = 10;
  bool operator==(const Hook&) const = default;
};

struct NodePolicy {
  std::array<ClassPolicy, kDetectionClassCount> classes;
  std::vector<Combination> combinations;
  std::vector<Allowance> allowances;
  MaintenanceRules maintenance;
  Hook hook;
  ClassPolicy& of(DetectionClass detection) { return classes[static_cast<std::size_t>(detection)]; }
  [[nodiscard]] const ClassPolicy& of(DetectionClass detection) const {
    return classes[static_cast<std::size_t>(detection)];
  }
  /// config_invalid naming the class or rule: a response below its least grade, at_most above the class's
  /// ceiling, counts and windows out of range, a combination or excuse of classes that may not be in one,
  /// digests and paths that are none, hook asked for without a program.
  [[nodiscard]] Status check() const;
  bool operator==(const NodePolicy&) const = default;
};
/// docs/policy.md: everything enforced; revoke-local, report, signal and log for critical.
NodePolicy default_node_policy();

}  // namespace akm::policy
