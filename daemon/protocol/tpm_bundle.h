#pragma once
// (b) of section 7, by TPM import: a bundle that one TPM opens, without a code. The content is sealed with a
// key of three secrets: one that is imported below the storage key, and one each that the endorsement key
// gives out beside the storage key and beside the attestation key.
#include <array>
#include <span>
#include <string>
#include <vector>

#include "daemon/crypto/aead.h"
#include "daemon/protocol/bundle.h"
#include "daemon/protocol/node_identity.h"
#include "daemon/protocol/tpm_wrapping.h"

namespace akm::protocol {

inline constexpr std::string_view kTpmImport = "tpm2-import";

/// The outer map.
struct TpmEnvelope {
  TpmName endorsement_key{};
  TpmName storage_key{};
  TpmName attestation_key{};
  HardwareValue hardware_value{};
  std::array<std::uint8_t, crypto::kNonceBytes> nonce{};
  Duplicate import;
  Body storage_credential;      // TPM2B_ID_OBJECT || TPM2B_ENCRYPTED_SECRET
  Body attestation_credential;  // the same
  Body sealed;

  [[nodiscard]] Body encode(bool with_sealed = true) const;
  /// malformed, too_large; not_supported for another way of sealing. The map is closed.
  static Result<TpmEnvelope> decode(std::span<const std::uint8_t> bytes);
};

/// What the TPM gives back of an envelope.
struct TpmSecrets {
  TpmSecret imported;
  TpmSecret of_storage_key;
  TpmSecret of_attestation_key;
};

/// The file's bytes. `identity` is that of `checked`, which check_identity returned.
Result<std::vector<std::uint8_t>> seal_tpm_bundle(const BundleContent& content, const NodeIdentity& identity,
                                                  const CheckedIdentity& checked, RandomSource& random);
/// not_authentic, malformed.
Result<BundleContent> open_tpm_bundle(const TpmEnvelope& envelope, const TpmSecrets& secrets);

}  // namespace akm::protocol
