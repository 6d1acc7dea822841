#pragma once
// An ASR's policy (section 8) as names and texts: for the configuration, for D-Bus and for people. One table.
#include <map>
#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/protocol/asr.h"
#include "daemon/service/config.h"

namespace akm::service {

std::map<std::string, std::string> policy_to_text(const protocol::Policy& policy);
/// Sets one field. invalid_argument for an unknown name and for a value out of bounds.
Status set_policy_field(protocol::Policy& policy, std::string_view name, std::string_view value);
/// Applies all; on an error `policy` is unchanged.
Status apply_policy_text(protocol::Policy& policy, const std::map<std::string, std::string>& values);

/// Keys "policy.rekey_interval_s", ... for a daemon's schema, and back.
Schema policy_schema();
protocol::Policy policy_from(const Config& config);

}  // namespace akm::service
