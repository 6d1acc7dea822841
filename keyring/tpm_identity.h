#pragma once
// What a TPM shows of itself so that something can be wrapped to it: public parts of its keys, and the
// vendor's certificate of its endorsement key.
#include <cstdint>
#include <functional>
#include <vector>

#include "daemon/base/result.h"
#include "keyring/tpm_context.h"

namespace akm::keyring {

/// Longest certificate that is read.
inline constexpr std::size_t kEndorsementCertificateBytes = 4096;

struct TpmIdentity {
  std::vector<std::uint8_t> endorsement_key;          // TPM2B_PUBLIC
  std::vector<std::uint8_t> endorsement_certificate;  // as in the NV index; empty where there is none
  std::vector<std::uint8_t> storage_key;              // TPM2B_PUBLIC
  std::vector<std::uint8_t> attestation_key;          // TPM2B_PUBLIC
};

/// The endorsement key with a certificate in its NV index (TCG EK Credential Profile: 0x01c0000a for ECC,
/// 0x01c00002 for RSA), ECC first; without any the one by which the hardware value names the TPM. tpm_failed,
/// too_large.
Result<TpmIdentity> read_tpm_identity(TpmContext& tpm);

}  // namespace akm::keyring
