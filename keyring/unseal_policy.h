#pragma once
// What opens a key that is sealed to PCRs: their values at sealing, or values that the operator's policy key
// has signed since, or the operator's recovery secret. The TPM checks all three (TPM 2.0 part 3, 23).
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"
#include "keyring/sealed_blob.h"
#include "keyring/tpm_context.h"

namespace akm::keyring {

/// Shorter ones are refused: the TPM does not count wrong tries for this object (noDA).
inline constexpr std::size_t kRecoverySecretMinBytes = 16;
inline constexpr std::size_t kRecoverySecretMaxBytes = 256;

/// The authorisation value that a recovery secret stands for. invalid_argument when it is too short or long.
Result<SecretBytes<32>> recovery_authorisation(std::span<const std::uint8_t> secret);

/// The policy of an object sealed to these PCRs: recorded values, recovery, policy key.
Result<TPM2B_DIGEST> unseal_policy(const SealedBlob& blob);
/// malformed when the values that the blob records are not those that its object was made for: the file was
/// changed, and no message may be made of them.
Status check_recorded_values(const SealedBlob& blob);
/// What the policy key signs to let the key open with these values: policy digest, then the use.
std::vector<std::uint8_t> bytes_to_sign(std::uint32_t mask, std::span<const std::uint8_t> values);

/// The TPM's word that the policy key has signed this. not_authentic when it has not; tpm_failed.
Result<TPMT_TK_VERIFIED> verify_authorisation(TpmContext& tpm, const SealedBlob& blob,
                                              const AuthorisedPcrs& one);

/// Each brings a fresh policy session to where Esys_Unseal may be called.
TSS2_RC meet_by_pcrs(TpmContext& tpm, ESYS_TR session, const SealedBlob& blob);
TSS2_RC meet_by_authorisation(TpmContext& tpm, ESYS_TR session, const SealedBlob& blob,
                              const AuthorisedPcrs& one, const TPMT_TK_VERIFIED& ticket);
TSS2_RC meet_by_recovery(TpmContext& tpm, ESYS_TR session, const SealedBlob& blob);

}  // namespace akm::keyring
