#pragma once
// Way (b) of section 7, by TPM import: the node has told its TPM's identity, the bundle opens in that TPM
// only.
#include <functional>
#include <memory>

#include "daemon/nmm/control_port.h"
#include "daemon/nmm/core.h"
#include "daemon/nmm/provisioner.h"

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
  struct Work;
  using SharedWork = std::shared_ptr<Work>;
  Status judge_aside(const SharedWork& work);
  Status seal_aside(const SharedWork& work);
  void announce(const Work& work);

  Core& core_;
  Provisioner& provisioner_;
  std::function<void()> settle_;
};

}  // namespace akm::nmm
