#pragma once
// Binding to PCRs: selections, values and the policy digest, as plain computation wherever no TPM is needed.
#include <tss2/tss2_esys.h>

#include <cstdint>
#include <span>
#include <vector>

#include "daemon/base/result.h"
#include "keyring/sealed_blob.h"
#include "keyring/tpm_context.h"

namespace akm::keyring {

/// Bit n for PCR n. invalid_argument for numbers over 23; repetition does not matter.
Result<std::uint32_t> pcr_mask(std::span<const std::uint32_t> pcrs);
/// Of the SHA-256 bank, three octets of bitmap.
TPML_PCR_SELECTION pcr_selection(std::uint32_t mask);
/// Digest of a policy of exactly one PolicyPCR (TPM 2.0 part 3, 23.7) for these values, kPcrValueBytes each.
TPM2B_DIGEST pcr_policy_digest(std::uint32_t mask, std::span<const std::uint8_t> values);
/// Of PolicyAuthValue alone (23.14): opens to who knows the authorisation value of the object.
TPM2B_DIGEST recovery_policy_digest();
/// Of PolicyAuthorize alone (23.16): opens to what the key of that name has signed for that use.
TPM2B_DIGEST authorised_policy_digest(std::span<const std::uint8_t> key_name,
                                      std::span<const std::uint8_t> use);
/// Of PolicyOR (23.6): opens to each of these, 2 to 8.
TPM2B_DIGEST either_policy_digest(std::span<const TPM2B_DIGEST> alternatives);
/// invalid_argument that names a PCR of which nothing was measured (all zeros, all ones): everybody's machine
/// has that value, and a later boot may well extend it.
Status check_extended(std::uint32_t mask, std::span<const std::uint8_t> values);
/// Present values by rising number. tpm_failed, also when the TPM has no SHA-256 bank.
Result<std::vector<std::uint8_t>> read_pcrs(TpmContext& tpm, std::uint32_t mask);
/// "PCR 7 is 1f.. and was 3a.. at sealing, PCR 11 ...": those in which the two lists differ; empty when in
/// none.
std::string differing_pcrs(std::uint32_t mask, std::span<const std::uint8_t> then,
                           std::span<const std::uint8_t> now);

}  // namespace akm::keyring
