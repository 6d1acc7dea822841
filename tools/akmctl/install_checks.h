#pragma once
// akmctl doctor: programs, configuration, folders and versions, and whether what is installed runs.
#include "tools/akmctl/health.h"
#include "tools/akmctl/machine.h"
#include "tools/akmctl/sighting.h"

namespace akm::ctl {

/// `sighting`: nothing where there is no bus.
Checks daemon_checks(const Machine& machine, const Sighting* sighting);
/// Each file through the daemon's own --check-config, and policy.toml.
Checks configuration_checks(const Machine& machine);
/// Owners and modes of what nobody else may change or read, and space for the state.
Checks permission_checks(const Machine& machine);

}  // namespace akm::ctl
