#pragma once
// Way (b) of section 7, by TPM import, for a node (tpm_writing.h); its attestation key is enrolled.
#include <functional>
#include <string>

#include "daemon/nmm/control_port.h"
#include "daemon/nmm/core.h"
#include "daemon/nmm/provisioner.h"
#include "daemon/nmm/tpm_writing.h"

namespace akm::nmm {

class TpmProvisioning {
 public:
  /// `settle` is called when work that was done aside has left something for the engine.
  TpmProvisioning(Core& core, Provisioner& provisioner, std::function<void()> settle)
      : core_(core), provisioner_(provisioner), settle_(std::move(settle)) {}

  /// As in the control port. An identity that does not check out, and, where the configuration wants a
  /// certificate, one without: refused before a serial is used up.
  void prepare(ControlPort::PrepareForTpm what, Reply<ControlPort::PreparedForTpm> reply);

 private:
  void announce(const std::string& node_name, const WrittenForTpm& known);

  Core& core_;
  Provisioner& provisioner_;
  std::function<void()> settle_;
};

}  // namespace akm::nmm
