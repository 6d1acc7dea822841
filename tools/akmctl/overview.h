#pragma once
// akmctl status: what is not well with the daemons of this bus, from what they say of themselves.
#include "tools/akmctl/health.h"
#include "tools/akmctl/sighting.h"

namespace akm::ctl {

/// What is not good, or worth a note; nothing where all is well.
Checks checks_of(const Sighting& sighting);
/// One daemon in short.
struct DaemonLine {
  dbus::Service service{};
  std::string state, name, version, summary;
};
std::vector<DaemonLine> lines_of(const Sighting& sighting);
/// One screen: a line for each daemon, then what to do.
std::string overview_text(const Sighting& sighting, const Checks& checks);
std::string overview_json(const Sighting& sighting, const Checks& checks);

}  // namespace akm::ctl
