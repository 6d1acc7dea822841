#pragma once
// The policy on detections as text (docs/policy.md): /etc/akm/policy.toml, what an NMM sends to its nodes,
// and what akmctl policy looks at. This is the one place that knows the names.
#include <string>
#include <string_view>

#include "daemon/policy/node_policy.h"
#include "daemon/service/config.h"

namespace akm::service {

inline constexpr std::string_view kDefaultPolicyPath = "/etc/akm/policy.toml";
/// Of the documented file that is shipped (example_config).
inline constexpr std::string_view kPolicyTitle = "What follows a detection: see akm-policy(5).";

/// All that may stand in a policy file, [recovery] included.
Schema policy_file_schema();
/// The node's part, checked. config_invalid naming file and line, or the class.
Result<policy::NodePolicy> node_policy(const Config& config);

/// The file with its drop-ins; only defaults where there is no such file. config_invalid, io_failed.
Result<Config> load_policy_file(const std::string& path);

}  // namespace akm::service
