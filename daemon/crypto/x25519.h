#pragma once
// X25519 (RFC 7748): two parties that hold each other's public key agree on 32 bytes.
#include <array>
#include <cstdint>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"

namespace akm::crypto {

inline constexpr std::size_t kX25519Bytes = 32;
using X25519PrivateKey = SecretBytes<kX25519Bytes>;
using X25519PublicKey = std::array<std::uint8_t, kX25519Bytes>;

/// Of any 32 random bytes. crypto_failed.
Result<X25519PublicKey> x25519_public(const X25519PrivateKey& key);
/// not_authentic for a peer's key of small order, with which every result would be the same (section 6.1);
/// crypto_failed. The result is no key yet: it goes into HKDF.
Result<SecretBytes<kX25519Bytes>> x25519(const X25519PrivateKey& key, const X25519PublicKey& peer);

}  // namespace akm::crypto
