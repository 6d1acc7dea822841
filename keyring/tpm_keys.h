#pragma once
// The keys of a TPM that a bundle is wrapped to (protocol section 7, TPM import), found again by their names.
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/base/result.h"
#include "keyring/tpm_context.h"

namespace akm::keyring {

/// The storage root key as its templates make it, in the owner's hierarchy: ECC, else RSA. With a name given,
/// the one that bears it; hardware_mismatch: none does. tpm_failed.
Result<TpmHandle> primary_storage_key(TpmContext& tpm, std::span<const std::uint8_t> name = {});
/// The attestation key. hardware_mismatch for another name.
Result<TpmHandle> primary_attestation_key(TpmContext& tpm, std::span<const std::uint8_t> name = {});
/// The endorsement key of this name (or the first that there is), of the standard templates or where the
/// machine's owner made it persistent. hardware_mismatch: none has it.
Result<TpmHandle> endorsement_key_named(TpmContext& tpm, std::span<const std::uint8_t> name = {});

/// TPM2B_PUBLIC.
Result<std::vector<std::uint8_t>> public_area_of(TpmContext& tpm, ESYS_TR key);

}  // namespace akm::keyring
