#pragma once
// Verifying ECDSA signatures on P-256 with SHA-256 (FIPS 186-5): what a TPM's attestation key makes.
#include <cstddef>
#include <cstdint>
#include <span>

#include "daemon/base/result.h"

namespace akm::crypto {

inline constexpr std::size_t kP256Bytes = 32;

/// Coordinates and signature parts are big-endian; parts may be shorter than kP256Bytes, not longer.
struct P256PublicKey {
  std::span<const std::uint8_t> x;
  std::span<const std::uint8_t> y;
};
struct EcdsaSignature {
  std::span<const std::uint8_t> r;
  std::span<const std::uint8_t> s;
};

/// not_authentic when the signature is not of this key over these bytes; malformed for a point that is not on
/// the curve or parts that are too long; crypto_failed.
Status verify_p256_sha256(const P256PublicKey& key, std::span<const std::uint8_t> message,
                          const EcdsaSignature& signature);

}  // namespace akm::crypto
