#pragma once
// What is known to be harmless: a program on the allow-list, or an open maintenance window. It lowers
// evidence to an observation, of classes that the code names; never what touches our keys, process or state.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/policy/catalogue.h"

namespace akm::policy {

inline constexpr std::size_t kAllowances = 64;
inline constexpr std::size_t kDigestHexBytes = 64;
inline constexpr std::size_t kCgroupBytes = 256;
inline constexpr std::uint32_t kMaintenanceMaxS = 86400;

/// Critical by class is never excused, and loss of sight neither: whoever blinds us would say it is the
/// upgrade.
constexpr bool may_be_excused(DetectionClass detection) {
  return entry_of(detection).ceiling == Grade::evidence && detection != DetectionClass::sensor_impaired &&
         detection != DetectionClass::stale_incarnation && detection != DetectionClass::audit_impaired &&
         detection != DetectionClass::mac_disabled;
}

/// A program by what it is and where it runs; a name can be given to any. What is given has to match.
struct Allowance {
  std::string name;                     // of this entry, for the record
  std::vector<DetectionClass> classes;  // that it may cause
  std::string digest;                   // SHA-256 of the executable, 64 lower-case hex digits; or empty
  std::string cgroup;                   // as /proc/PID/cgroup has it: "/system.slice/x.service"; or empty
  bool operator==(const Allowance&) const = default;
};

/// By the subject's "digest" and "cgroup_path", which the sensor took from the kernel.
bool matches(const Allowance& allowance, const Detection& detection);

struct MaintenanceRules {
  std::vector<DetectionClass> lowers;  // evidence of these is an observation in a window
  std::uint32_t longest_s = 8 * 3600;  // of one window
  bool at_node = true;                 // one may be opened at the node; false: its NMM's alone count
  bool operator==(const MaintenanceRules&) const = default;
};
/// All that may be excused.
MaintenanceRules standard_maintenance();

}  // namespace akm::policy
