#pragma once
// HKDF (RFC 5869) over a reused EVP_MAC, and scrypt (RFC 7914) for one-time codes.
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"

namespace akm::crypto {

enum class Hash : std::uint8_t { sha256, sha384 };
[[nodiscard]] constexpr std::size_t hash_bytes(Hash hash) {
  return hash == Hash::sha256 ? 32 : 48;
}

/// `ikm` is the concatenation of the parts. Result: hash_bytes(hash).
Result<SecretBuffer> hkdf_extract(Hash hash, std::span<const std::uint8_t> salt,
                                  std::initializer_list<std::span<const std::uint8_t>> ikm);
/// `info` is the concatenation of the parts; up to 255 * hash_bytes(hash) bytes.
Status hkdf_expand(Hash hash, std::span<const std::uint8_t> prk,
                   std::initializer_list<std::span<const std::uint8_t>> info, std::span<std::uint8_t> out);
/// Several expansions of one prk: the key is set once. At most one lives per thread and hash, and no other
/// function of this file is called while it does; the key is gone from the context after it.
class HkdfExpander {
 public:
  HkdfExpander(Hash hash, std::span<const std::uint8_t> prk);
  /// Extracts first, and writes the prk to `prk` (hash_bytes(hash) long). A failure shows at the first
  /// expand().
  HkdfExpander(Hash hash, std::span<const std::uint8_t> salt,
               std::initializer_list<std::span<const std::uint8_t>> ikm, std::span<std::uint8_t> prk);
  ~HkdfExpander();
  HkdfExpander(const HkdfExpander&) = delete;
  HkdfExpander& operator=(const HkdfExpander&) = delete;
  /// As hkdf_expand.
  Status expand(std::initializer_list<std::span<const std::uint8_t>> info, std::span<std::uint8_t> out);

 private:
  Hash hash_;
  bool ready_;
};

/// HMAC over the parts.
Status hmac(Hash hash, std::span<const std::uint8_t> key,
            std::initializer_list<std::span<const std::uint8_t>> parts, std::span<std::uint8_t> out);

/// Bounds: n a power of two up to 2^20, r 1 to 16, p 1 to 4 (a hostile bundle must not exhaust memory).
Result<SecretBuffer> scrypt(std::span<const std::uint8_t> password, std::span<const std::uint8_t> salt,
                            std::uint64_t n, std::uint32_t r, std::uint32_t p, std::size_t length);

}  // namespace akm::crypto
