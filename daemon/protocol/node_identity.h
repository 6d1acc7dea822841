#pragma once
// What a node tells of its TPM before it is provisioned (section 7, TPM import): a file that an NMM wraps a
// bundle to. Nothing in it is secret; everything in it is untrusted.
#include <string>
#include <vector>

#include "daemon/protocol/attestation.h"
#include "daemon/protocol/provisioning.h"
#include "daemon/protocol/tpm_public.h"

namespace akm::protocol {

inline constexpr std::size_t kNodeIdentityBytes = 16 * 1024;
inline constexpr std::size_t kEndorsementCertificateBytes = 4096;

struct NodeIdentity {
  Body endorsement_key;          // TPM2B_PUBLIC
  Body endorsement_certificate;  // DER, as it is in the TPM's NV index; empty where there is none
  Body storage_key;              // TPM2B_PUBLIC
  Body attestation_key;          // TPM2B_PUBLIC
  HardwareValue hardware_value{};
  std::vector<HardwareSource> sources;  // what it was made from, in the order of section 7
  Body quote;                           // TPMS_ATTEST over kAttestedPcrs, with digest() as its nonce
  Body signature;                       // TPMT_SIGNATURE

  /// SHA-256("akm1 identity" || 0x00 || the file without quote and signature).
  [[nodiscard]] Digest32 digest() const;
  [[nodiscard]] Body encode() const;
  /// malformed, too_large. A file is closed: it has these fields and no others.
  static Result<NodeIdentity> decode(BodyView bytes);
};

/// What the NMM takes from it. `endorsement_key` and `storage_key` borrow from the identity.
struct CheckedIdentity {
  TpmStorageKey endorsement_key;
  TpmStorageKey storage_key;
  TpmName attestation_key{};
  QuotedState state;
};
/// Keys of the right kind, made by a TPM and bound to it; the hardware value is that of the sources, among
/// which an ECC endorsement key has its name; the attestation key has signed all of it. That the three keys
/// are in one TPM shows only when the bundle opens. not_authentic, malformed, hardware_mismatch.
Result<CheckedIdentity> check_identity(const NodeIdentity& identity);

}  // namespace akm::protocol
