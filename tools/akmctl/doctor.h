#pragma once
// All checks of akmctl doctor, for the command and for the support bundle.
#include "tools/akmctl/health.h"
#include "tools/akmctl/machine.h"
#include "tools/akmctl/sighting.h"

namespace akm::ctl {

/// By area. `sighting`: nullptr where there is no bus.
Checks examine(const Machine& machine, const Sighting* sighting);
/// The same, of what this session's bus tells; that there is none is a problem too.
Checks doctor_checks(const Machine& machine, Session& session);
/// `quiet`: without what is good.
std::string doctor_text(const Checks& checks, bool quiet = false);
std::string doctor_json(const Checks& checks);

}  // namespace akm::ctl
