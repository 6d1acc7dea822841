#pragma once
// What protects data on its way to one TPM 2.0 (TPM 2.0 Library, part 1: key derivation, credential
// protection, protected storage; annexes B.10 and C.6): a seed encrypted to a key of the TPM, and a wrapper
// made from the seed. Made here in software, so that whoever wraps needs no TPM. The key's name algorithm is
// SHA-256, its symmetric cipher AES-128-CFB.
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "daemon/base/random.h"
#include "daemon/base/result.h"
#include "daemon/base/secret.h"
#include "daemon/crypto/public_key.h"

namespace akm::crypto {

/// A restricted decryption key of a TPM: ECC P-256, or RSA 2048 where `modulus` is not empty.
struct TpmKey {
  P256PublicKey point;
  std::span<const std::uint8_t> modulus;
};

/// What the seed is for: it goes into its derivation, so that the TPM takes it for nothing else.
enum class SeedUse : std::uint8_t { identity, duplicate };

struct SharedSeed {
  SecretBuffer seed;                    // 32 bytes
  std::vector<std::uint8_t> encrypted;  // TPM2B_ENCRYPTED_SECRET: a point (ECDH) or a ciphertext (OAEP)
};
/// A fresh seed: from `random` for RSA, of an ephemeral key for ECC. That key and the OAEP padding come from
/// OpenSSL's generator. malformed for a key that is none, crypto_failed.
Result<SharedSeed> share_seed(const TpmKey& key, SeedUse use, RandomSource& random);

/// The outer wrapper: TPM2B_DIGEST (HMAC over ciphertext and name) || ciphertext of `plain`. `name` is that
/// of the object that the wrapper is bound to. crypto_failed.
Result<std::vector<std::uint8_t>> outer_wrap(const SecretBuffer& seed, std::span<const std::uint8_t> name,
                                             const SecretBuffer& plain);

/// KDFa with SHA-256: out.size() is at most 32. For tests; outer_wrap uses it.
Status kdfa(std::span<const std::uint8_t> key, std::string_view label,
            std::span<const std::uint8_t> context_u, std::span<const std::uint8_t> context_v,
            std::span<std::uint8_t> out);

}  // namespace akm::crypto
