#pragma once
// What an NMM makes for one TPM, and no other can open (section 7, TPM import): TPM2_MakeCredential and
// TPM2_Duplicate in software (TPM 2.0 Library, part 3).
#include "daemon/base/secret.h"
#include "daemon/protocol/tpm_public.h"

namespace akm::protocol {

inline constexpr std::size_t kTpmSecretBytes = 32;
using TpmSecret = SecretBytes<kTpmSecretBytes>;

/// TPM2B_ID_OBJECT || TPM2B_ENCRYPTED_SECRET. The TPM of `endorsement_key` gives the secret out only while an
/// object with this name is loaded beside that key.
Result<Body> make_credential(const TpmStorageKey& endorsement_key, const TpmName& name,
                             const TpmSecret& secret, RandomSource& random);

/// A sealed data object, made outside, for TPM2_Import below `parent`.
struct Duplicate {
  Body object;     // TPM2B_PUBLIC
  Body duplicate;  // TPM2B_PRIVATE
  Body seed;       // TPM2B_ENCRYPTED_SECRET
};
Result<Duplicate> make_duplicate(const TpmStorageKey& parent, const TpmSecret& secret, RandomSource& random);

}  // namespace akm::protocol
