#pragma once
// Sealing by a PKCS#11 token: the storage key opens with a key that never leaves the token (AES-GCM, else AES
// key wrap), or, where the token can do neither, is itself a private object on it. Without the token, or its
// PIN, nothing opens.
#include <string>
#include <vector>

#include "keyring/pkcs11_token.h"
#include "keyring/sealer.h"
#include "keyring/token_object.h"

namespace akm::keyring {

struct TokenSealerOptions {
  TokenPlace place;
  /// File with the PIN; empty: the systemd credential (token_pin.h).
  std::string pin_file;
};

/// Each operation opens its own session and ends it: the token may come and go in between.
class TokenSealer final : public Sealer {
 public:
  explicit TokenSealer(TokenSealerOptions options) : options_(std::move(options)) {}

  [[nodiscard]] SealerKind kind() const override { return SealerKind::token; }
  [[nodiscard]] std::string description() const override;
  Result<std::vector<std::uint8_t>> seal(const StorageKey& key) override;
  /// wrong_pin, which no try by itself follows, or sealed_unavailable. What opens is checked against the
  /// blob, so that an answer that was altered on its way is never taken for the key.
  Result<StorageKey> unseal(std::span<const std::uint8_t> bytes) override;
  /// After unseal() (wrong_state before it). The counter is an object on the token, authenticated by the
  /// storage key; the next one is written before the last is destroyed, so that a crash between the two
  /// leaves both and no number is given twice. state_corrupt when none is there: the token was restored or
  /// changed.
  Result<std::uint32_t> next_incarnation() override;
  /// Destroys key and counter on the token.
  Result<std::vector<std::string>> erase(std::span<const std::uint8_t> blob) override;
  Status discard(std::span<const std::uint8_t> bytes) override;

 private:
  [[nodiscard]] Result<std::unique_ptr<Pkcs11Token>> open() const;

  TokenSealerOptions options_;
  std::string token_;  // what was reached last
  std::string form_;   // how it keeps the key, for people
  TokenKeyId id_{};
  SecretBuffer counter_key_;  // empty before unseal()
};

}  // namespace akm::keyring
