#pragma once
// Which sources make the hardware value of a machine, for each role that is bound to its own.
#include "daemon/service/config.h"
#include "daemon/service/settings.h"
#include "keyring/hardware_identity.h"

namespace akm::service {

void add_hardware_settings(Schema& schema);
/// config_invalid.
Result<keyring::HardwareOptions> hardware_settings(const Config& config, const Settings& common);

}  // namespace akm::service
