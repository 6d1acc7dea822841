#pragma once
// What all daemons on the bus say of themselves at one time.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dbus/root_proxy.h"
#include "tools/akmctl/session.h"

namespace akm::ctl {

struct Sighting {
  std::optional<node::StatusSnapshot> node;
  std::vector<AsrSnapshot> node_asrs;
  std::optional<nmm::StatusSnapshot> nmm;
  std::vector<nmm::NodeSnapshot> nodes;
  std::vector<AsrSnapshot> nmm_asrs;
  std::optional<root::StatusSnapshot> root;
  std::vector<root::NmmSnapshot> nmms;
  /// Those on the bus that told nothing of themselves, and why.
  std::map<dbus::Service, Error> silent;
  /// What was not told, and why: a caller who may not see all still sees something.
  std::vector<std::string> untold;

  [[nodiscard]] bool nothing() const { return !node && !nmm && !root; }
};

/// An error only where there is no bus.
Result<Sighting> look_around(Session& session);

}  // namespace akm::ctl
