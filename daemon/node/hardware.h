#pragma once
// The machine's hardware value (section 7): collected once, since the TPM takes its time, and kept. And what
// its TPM says of itself, where there is one.
#include <functional>
#include <optional>

#include "daemon/node/control_port.h"
#include "daemon/protocol/machine_evidence.h"
#include "keyring/hardware_identity.h"
#include "keyring/tpm_attestor.h"
#include "keyring/tpm_identity.h"
#include "keyring/tpm_import.h"

namespace akm::node {

/// What this machine's TPM does beside sealing. All of it blocks: for a thread aside. Null without a TPM.
struct TpmWays {
  keyring::Quoter quoter = {};
  std::function<Result<keyring::TpmIdentity>()> identity = {};
  std::function<Result<keyring::TpmImported>(const keyring::TpmImport&)> import = {};
};
/// Of the TPM at `tcti` (empty: the standard one), where one is expected.
TpmWays tpm_ways(const std::string& tcti);

class Hardware {
 public:
  using Collect = std::function<Result<keyring::HardwareSources>()>;
  explicit Hardware(Collect collect, TpmWays tpm = {}) : collect_(std::move(collect)), tpm_(std::move(tpm)) {}

  /// The kept identity; collects when there is none yet (a failure is not kept). no_hardware_source,
  /// tpm_failed.
  Result<ControlPort::HardwareIdentity> identity();
  /// Instead of collecting.
  Status keep(keyring::HardwareSources sources);
  /// The TPM has still to answer what was asked before: until the next start this is why there is none.
  void wait(Error why) { waiting_ = std::move(why); }
  Result<protocol::HardwareValue> value();
  /// Digests of its sources, by which a changed one is named.
  Result<protocol::SourceDigests> digests();
  /// For a thread aside; null without a TPM.
  [[nodiscard]] const keyring::Quoter& quoter() const { return tpm_.quoter; }
  [[nodiscard]] const TpmWays& tpm() const { return tpm_; }

 private:
  Collect collect_;
  TpmWays tpm_;
  std::optional<ControlPort::HardwareIdentity> kept_;
  std::optional<Error> waiting_;
};

}  // namespace akm::node
