#pragma once
// direct.*: which buses an NMM or a Root may open to hand credentials over, and when an operator compares
// fingerprints first.
#include <cstdint>

#include "daemon/service/config.h"
#include "dbus/direct_address.h"

namespace akm::service {

enum class DirectConfirm : std::uint8_t { always, remote, never };

struct DirectSettings {
  dbus::DirectPolicy addresses;
  DirectConfirm confirm = DirectConfirm::remote;  // remote: over all but Unix sockets
};

void add_direct_settings(Schema& schema);
/// config_invalid naming file and line.
Result<DirectSettings> direct_settings(const Config& config);

}  // namespace akm::service
