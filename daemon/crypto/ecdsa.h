#pragma once
// Verifying ECDSA signatures on P-256 with SHA-256 (FIPS 186-5): what a TPM's attestation key makes.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

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

/// The same in one piece: coordinates, or r and s, one after the other.
using P256Pair = std::array<std::uint8_t, 2 * kP256Bytes>;
/// Of a key in a PEM file (SubjectPublicKeyInfo). malformed when it is none of P-256.
Result<P256Pair> p256_key_of_pem(std::string_view pem);
/// r and s of a signature as openssl(1) writes it (DER). malformed.
Result<P256Pair> ecdsa_parts_of_der(std::span<const std::uint8_t> der);

/// not_authentic when the signature is not of this key over these bytes; malformed for a point that is not on
/// the curve or parts that are too long; crypto_failed.
Status verify_p256_sha256(const P256PublicKey& key, std::span<const std::uint8_t> message,
                          const EcdsaSignature& signature);

}  // namespace akm::crypto
