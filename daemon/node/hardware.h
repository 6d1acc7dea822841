#pragma once
// The machine's hardware value (section 7): collected once, since the TPM takes its time, and kept.
#include <functional>
#include <optional>

#include "daemon/node/control_port.h"
#include "daemon/protocol/provisioning.h"
#include "keyring/hardware_identity.h"

namespace akm::node {

class Hardware {
 public:
  using Collect = std::function<Result<keyring::HardwareSources>()>;
  explicit Hardware(Collect collect) : collect_(std::move(collect)) {}

  /// The kept identity; collects when there is none yet (a failure is not kept). no_hardware_source,
  /// tpm_failed.
  Result<ControlPort::HardwareIdentity> identity();
  Result<protocol::HardwareValue> value();

 private:
  Collect collect_;
  std::optional<ControlPort::HardwareIdentity> kept_;
};

}  // namespace akm::node
