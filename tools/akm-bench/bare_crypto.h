#pragma once
// The limit: OpenSSL called directly with contexts and algorithms kept, and nothing around it.
#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>

namespace akm::bench {

/// HMAC-SHA-256 over one reused EVP_MAC context.
class BareHmac {
 public:
  BareHmac();
  std::array<std::uint8_t, 32> operator()(std::span<const std::uint8_t> key,
                                          std::span<const std::uint8_t> data);

 private:
  std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> mac_;
  std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context_;
};

/// The HMACs of one key step (extract, three expands, sender key): 9 of them, over inputs of the real
/// lengths. `sender_keys`: how many senders speak under the new key, each with a key of its own.
void bare_key_step(BareHmac& hmac, std::span<const std::uint8_t, 32> seed,
                   std::span<const std::uint8_t, 160> input, std::size_t sender_keys = 1);

/// AES-256-GCM with the key set once; each call sets the nonce.
class BareGcm {
 public:
  BareGcm();
  void seal(std::span<const std::uint8_t> associated, std::span<const std::uint8_t> plain,
            std::span<std::uint8_t> out);
  bool open(std::span<const std::uint8_t> associated, std::span<const std::uint8_t> sealed,
            std::span<std::uint8_t> out);
  /// The same keys, set again: what each new sender key costs.
  void set_seal_key();
  void set_open_key();

 private:
  using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;
  Context seal_;
  Context open_;
  std::array<std::uint8_t, 12> nonce_{};
};

}  // namespace akm::bench
