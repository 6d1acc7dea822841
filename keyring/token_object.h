#pragma once
// The values of the data objects that this system keeps on a token (docs/protocol.md, section 7). What is
// read there is not trusted: whoever knows the PIN, or the module itself, may have written it.
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"
#include "keyring/pkcs11_token.h"

namespace akm::keyring {

/// Provisioning credentials: u32 "AKMT", u8 version 1, u8 form. Form 1, kept by the PIN: the content. Form 2,
/// sealed with a key on the token: key id (16 bytes), nonce (12), AES-256-GCM of the content.
struct TokenObject {
  enum class Form : std::uint8_t { kept = 1, sealed = 2 };
  Form form = Form::kept;
  TokenKeyId key_id{};  // of form 2, as the nonce
  TokenNonce nonce{};
  std::span<const std::uint8_t> body;  // borrowed; the content, or what it was sealed to

  [[nodiscard]] SecretBuffer encode() const;
  /// malformed, truncated, not_supported (version).
  static Result<TokenObject> decode(std::span<const std::uint8_t> bytes);
};

inline constexpr std::size_t kCounterTagBytes = 16;
inline constexpr std::size_t kCounterBytes = 4 + kCounterTagBytes;

/// A start counter: u32 value, then HMAC-SHA-256(key, "akm1 token starts" || 0x00 || id || value), 16 bytes.
Result<std::vector<std::uint8_t>> encode_counter(std::uint32_t value, std::span<const std::uint8_t> key,
                                                 const TokenKeyId& id);
/// Nothing when it is not one of this key and id.
std::optional<std::uint32_t> decode_counter(std::span<const std::uint8_t> bytes,
                                            std::span<const std::uint8_t> key, const TokenKeyId& id);

}  // namespace akm::keyring
