#pragma once
// The machine's hardware value (section 7): collected once, since the TPM takes its time, and kept. And what
// its TPM says of itself, where there is one.
#include <functional>
#include <optional>

#include "daemon/node/control_port.h"
#include "daemon/protocol/machine_evidence.h"
#include "keyring/hardware_identity.h"
#include "keyring/tpm_attestor.h"

namespace akm::node {

class Hardware {
 public:
  using Collect = std::function<Result<keyring::HardwareSources>()>;
  /// `quoter` null: no TPM to attest with.
  explicit Hardware(Collect collect, keyring::Quoter quoter = {})
      : collect_(std::move(collect)), quoter_(std::move(quoter)) {}

  /// The kept identity; collects when there is none yet (a failure is not kept). no_hardware_source,
  /// tpm_failed.
  Result<ControlPort::HardwareIdentity> identity();
  Result<protocol::HardwareValue> value();
  /// Digests of its sources, by which a changed one is named.
  Result<protocol::SourceDigests> digests();
  /// For a thread aside; null without a TPM.
  [[nodiscard]] const keyring::Quoter& quoter() const { return quoter_; }

 private:
  Collect collect_;
  keyring::Quoter quoter_;
  std::optional<ControlPort::HardwareIdentity> kept_;
};

}  // namespace akm::node
