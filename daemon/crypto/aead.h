#pragma once
// Authenticated encryption (RFC 5116) over OpenSSL EVP, with contexts and fetched algorithms kept: naming an
// algorithm or making a context on the hot path costs more than the encryption (docs/performance.md).
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "daemon/base/result.h"

namespace akm::crypto {

inline constexpr std::size_t kKeyBytes = 32;
inline constexpr std::size_t kNonceBytes = 12;
inline constexpr std::size_t kTagBytes = 16;

enum class AeadAlgorithm : std::uint8_t { aes_256_gcm, chacha20_poly1305 };

/// One key, ready to seal and open. Move-only; the key schedule inside is wiped with it.
class Aead {
 public:
  static Result<Aead> create(AeadAlgorithm algorithm, std::span<const std::uint8_t, kKeyBytes> key);
  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;
  ~Aead();

  /// Another key in the same context: half the price of a new one, for who holds more keys than contexts.
  Status rekey(std::span<const std::uint8_t, kKeyBytes> key);
  /// Writes ciphertext and tag: `out` holds plain.size() + kTagBytes. In place is allowed (out.data() ==
  /// plain.data()).
  Status seal(std::span<const std::uint8_t, kNonceBytes> nonce, std::span<const std::uint8_t> associated,
              std::span<const std::uint8_t> plain, std::span<std::uint8_t> out);
  /// not_authentic, with `out` wiped; else the plaintext in `out` (sealed.size() - kTagBytes bytes). In place
  /// is allowed.
  Status open(std::span<const std::uint8_t, kNonceBytes> nonce, std::span<const std::uint8_t> associated,
              std::span<const std::uint8_t> sealed, std::span<std::uint8_t> out);

 private:
  struct Impl;
  explicit Aead(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace akm::crypto
