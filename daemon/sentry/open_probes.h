#pragma once
// The probes that the table [probes] asks for.
#include <memory>
#include <string>
#include <vector>

#include "bpf/loader/probe_set.h"
#include "daemon/sentry/probe_settings.h"

namespace akm::sentry {

/// Null with a finding when they are switched off or cannot be loaded.
std::unique_ptr<bpf::ProbeSet> open_probes(const ProbeSettings& settings, const std::string& state_folder,
                                           std::vector<std::string>& findings);

}  // namespace akm::sentry
