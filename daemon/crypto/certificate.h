#pragma once
// Certificates of endorsement keys (TCG EK Credential Profile): is this key one of a TPM that a vendor made?
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/crypto/tpm_wrap.h"

namespace akm::crypto {

/// A DER certificate from a TPM's NV index; a PEM file may hold several.
inline constexpr std::size_t kCertificateBytes = 4096;
inline constexpr std::size_t kTrustedCertificates = 256;

/// `der` certifies `key`, and a chain leads from it to one of the self-signed certificates in `trusted` (PEM
/// texts; the others in them may stand between). Returns the subject of that root, for people. Validity times
/// are not looked at: a TPM outlives them, and nothing here depends on a wall clock; nor are revocation
/// lists. not_authentic with the reason, not_found when nothing is trusted, malformed, not_supported,
/// limit_exceeded.
Result<std::string> verify_endorsement_certificate(std::span<const std::uint8_t> der, const TpmKey& key,
                                                   std::span<const std::vector<std::uint8_t>> trusted);

}  // namespace akm::crypto
