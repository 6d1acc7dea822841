#pragma once
// Section 7, TPM import, on the side that gets the credentials (a node, and an NMM one level up): what it
// tells of its TPM, and the bundle that only this TPM opens. Both block: for a thread aside.
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/node/control_port.h"
#include "daemon/node/hardware.h"
#include "daemon/protocol/bundle.h"
#include "daemon/protocol/provisioning.h"
#include "daemon/service/bundle_import.h"

namespace akm::node {

/// Signed as a whole by the attestation key. not_supported without a TPM; what an NMM would refuse is found
/// out here.
Result<ControlPort::TpmIdentity> make_tpm_identity(const TpmWays& tpm,
                                                   const ControlPort::HardwareIdentity& hardware);

/// How a bundle file that was wrapped to this machine's TPM is opened. `digest`: SHA-256 of the file that is
/// to be taken, or empty. not_supported for a bundle that is sealed in another way, not_authentic,
/// wrong_state without a TPM, hardware_mismatch.
service::BundleImport::Open open_for_tpm(const TpmWays& tpm, const protocol::HardwareValue& hardware,
                                         std::vector<std::uint8_t> digest);

}  // namespace akm::node
