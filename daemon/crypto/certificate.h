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
inline constexpr std::size_t kRevocationLists = 64;

/// PEM texts: of certificates, of which those that are self-signed are trusted and the others may stand
/// between; and of revocation lists.
struct TrustedVendors {
  std::vector<std::vector<std::uint8_t>> certificates;
  std::vector<std::vector<std::uint8_t>> revocations;
};

struct EndorsementCertificate {
  std::string root;         // its subject, for people
  std::string out_of_time;  // which certificate of the chain is, since when; empty: none
  std::string revocation;   // how far it was looked at
};

/// `der` certifies `key`, a chain leads from it to a trusted root, and no list that an issuer in it has
/// signed revokes one of its certificates. `now_s` (since 1970) is whatever clock the caller has: it decides
/// nothing here, since a TPM outlives its certificate and a wall clock is proved by nothing. not_authentic
/// with the reason, not_found when nothing is trusted, malformed, not_supported, limit_exceeded.
Result<EndorsementCertificate> verify_endorsement_certificate(std::span<const std::uint8_t> der,
                                                              const TpmKey& key,
                                                              const TrustedVendors& vendors,
                                                              std::int64_t now_s);

}  // namespace akm::crypto
