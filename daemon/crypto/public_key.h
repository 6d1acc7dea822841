#pragma once
// Public keys as OpenSSL's objects: those of a TPM, whose numbers come in somebody else's structures.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "daemon/base/result.h"
#include "daemon/crypto/ecdsa.h"

struct evp_pkey_st;  // EVP_PKEY

namespace akm::crypto {

inline constexpr std::size_t kRsaBytes = 256;  // RSA 2048, exponent 65537: what a TPM's templates make

struct PublicKeyFree {
  void operator()(evp_pkey_st* key) const;
};
using PublicKey = std::unique_ptr<evp_pkey_st, PublicKeyFree>;

/// malformed for a point that is not on the curve or parts that are too long; crypto_failed.
Result<PublicKey> load_p256(const P256PublicKey& public_key);
/// The point as the uncompressed form has it after its first octet: X || Y, each kP256Bytes. crypto_failed.
Status p256_point(const PublicKey& key, std::span<std::uint8_t, 2 * kP256Bytes> out);
/// malformed for a modulus of another length than kRsaBytes, or an even one; crypto_failed.
Result<PublicKey> load_rsa(std::span<const std::uint8_t> modulus);

}  // namespace akm::crypto
