#pragma once
// The operator's key that signs sets of PCR values (ECDSA P-256): its forms for the TPM. The private half is
// never here.
#include <tss2/tss2_tpm2_types.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"

namespace akm::keyring {

inline constexpr std::size_t kPolicyKeyFileMaxBytes = 4096;

/// TPM2B_PUBLIC of the key in a PEM file. malformed when it is none of P-256.
Result<std::vector<std::uint8_t>> policy_key_of_pem(std::string_view pem);
/// TPMT_SIGNATURE of a signature as `openssl dgst -sha256 -sign` writes it. malformed.
Result<std::vector<std::uint8_t>> policy_signature_of_der(std::span<const std::uint8_t> der);
/// Name of a TPM2B_PUBLIC: SHA-256. malformed.
Result<std::vector<std::uint8_t>> name_of_public(std::span<const std::uint8_t> tpm2b_public);

}  // namespace akm::keyring
