#pragma once
// The NMM's policy on breaches (daemon/policy/adjudication.h) as text: [recovery] of its configuration and of
// a policy file.
#include <string>
#include <vector>

#include "daemon/policy/adjudication.h"
#include "daemon/service/config.h"

namespace akm::service {

/// Keys "recovery.mode", ...
Schema recovery_schema();
/// config_invalid. never_evict stays empty: the names are never_evict_names(), which are known to the NMM.
Result<policy::AdjudicationPolicy> recovery_from(const Config& config);
/// The words of a policy, all of them but never_evict.
Values recovery_values(const policy::AdjudicationPolicy& policy);
const std::vector<std::string>& never_evict_names(const Config& config);

}  // namespace akm::service
