#pragma once
// Opens what was wrapped to this TPM (protocol section 7, TPM import): credential activation beside its
// endorsement key, import below its storage key.
#include <cstdint>
#include <span>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"
#include "keyring/tpm_context.h"

namespace akm::keyring {

inline constexpr std::size_t kTpmSecretBytes = 32;

/// Borrowed. Names are those of the keys that it was wrapped to.
struct TpmImport {
  std::span<const std::uint8_t> endorsement_key;
  std::span<const std::uint8_t> storage_key;
  std::span<const std::uint8_t> attestation_key;
  std::span<const std::uint8_t> object;                  // TPM2B_PUBLIC
  std::span<const std::uint8_t> duplicate;               // TPM2B_PRIVATE
  std::span<const std::uint8_t> seed;                    // TPM2B_ENCRYPTED_SECRET
  std::span<const std::uint8_t> storage_credential;      // TPM2B_ID_OBJECT || TPM2B_ENCRYPTED_SECRET
  std::span<const std::uint8_t> attestation_credential;  // the same
};

struct TpmImported {
  SecretBytes<kTpmSecretBytes> secret;
  SecretBytes<kTpmSecretBytes> of_storage_key;
  SecretBytes<kTpmSecretBytes> of_attestation_key;
};

/// In salted sessions with encrypted parameters; nothing of it stays in the TPM. hardware_mismatch: for
/// another TPM; not_authentic: changed since it was wrapped; malformed, tpm_failed.
Result<TpmImported> import_from(TpmContext& tpm, const TpmImport& wrapped);

}  // namespace akm::keyring
