#pragma once
// A session with one token, logged in as its user for as long as this lives; each use opens its own, so that
// a token that was removed, changed or reset in between is simply found anew.
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"
#include "keyring/pkcs11_module.h"

namespace akm::keyring {

/// A PIN: 1 to so many bytes.
inline constexpr std::size_t kPinBytes = 64;
/// Objects that one search takes.
inline constexpr std::size_t kTokenObjectsMax = 64;
inline constexpr std::size_t kTokenValueBytes = std::size_t{20} * 1024;
inline constexpr std::size_t kTokenKeyIdBytes = 16;
inline constexpr std::size_t kTokenNonceBytes = 12;
inline constexpr std::size_t kTokenTagBytes = 16;
inline constexpr std::size_t kTokenWrapBytes = 8;  // more than the key that is wrapped (RFC 3394)
using TokenKeyId = std::array<std::uint8_t, kTokenKeyIdBytes>;
using TokenNonce = std::array<std::uint8_t, kTokenNonceBytes>;

/// Module and token, as the configuration or an operator names them.
struct TokenPlace {
  std::string module;  // path; empty: those registered with p11-kit
  std::string uri;     // RFC 7512
};

/// A data object's names (PKCS#11: CKA_APPLICATION and CKA_LABEL).
struct TokenName {
  std::string_view application;
  std::string_view label;
};

class Pkcs11Token {
 public:
  /// Logs in. wrong_pin, with what is left of the tries where the token tells it. A PIN that is locked, and
  /// one whose last try this would be, is not tried at all. not_found, invalid_argument, token_failed, busy.
  static Result<std::unique_ptr<Pkcs11Token>> open(const TokenPlace& place, const SecretBuffer& pin);
  ~Pkcs11Token();
  Pkcs11Token(const Pkcs11Token&) = delete;
  Pkcs11Token& operator=(const Pkcs11Token&) = delete;

  [[nodiscard]] const TokenFacts& facts() const { return slot_.facts; }
  /// AES-256-GCM with a key that never leaves the token.
  [[nodiscard]] bool can_seal() const;
  /// AES key wrap (RFC 3394) with one.
  [[nodiscard]] bool can_wrap() const;

  /// Private data objects of this name; an empty label fits all. limit_exceeded over kTokenObjectsMax.
  Result<std::vector<CK_OBJECT_HANDLE>> find_private(const TokenName& name);
  /// The same of those that everybody may read.
  Result<std::vector<CK_OBJECT_HANDLE>> find_public(const TokenName& name);
  Result<SecretBuffer> read_value(CK_OBJECT_HANDLE object);
  Result<std::string> read_label(CK_OBJECT_HANDLE object);
  /// not_supported when the token makes the object public all the same (it is destroyed again).
  Status create_private(const TokenName& name, std::span<const std::uint8_t> value);
  Status create_public(const TokenName& name, std::span<const std::uint8_t> value);
  Status destroy(CK_OBJECT_HANDLE object);

  /// A new key on the token: private, sensitive, not extractable, as the token confirms (else it is destroyed
  /// and not_supported).
  enum class KeyUse : std::uint8_t { seal, wrap };
  Result<CK_OBJECT_HANDLE> generate_key(std::string_view label, const TokenKeyId& id,
                                        KeyUse use = KeyUse::seal);
  /// not_found; not_authentic when there are several of this id.
  Result<CK_OBJECT_HANDLE> find_key(const TokenKeyId& id);
  Result<std::vector<std::uint8_t>> seal(CK_OBJECT_HANDLE key, TokenNonce nonce,
                                         std::span<const std::uint8_t> associated,
                                         std::span<const std::uint8_t> plain);
  /// not_authentic.
  Result<SecretBuffer> open_sealed(CK_OBJECT_HANDLE key, TokenNonce nonce,
                                   std::span<const std::uint8_t> associated,
                                   std::span<const std::uint8_t> sealed);

  /// `plain`: a key, of a multiple of 8 bytes. It is on the token for the moment, as an object of this
  /// session.
  Result<std::vector<std::uint8_t>> wrap(CK_OBJECT_HANDLE key, std::span<const std::uint8_t> plain);
  /// not_authentic.
  Result<SecretBuffer> unwrap(CK_OBJECT_HANDLE key, std::span<const std::uint8_t> wrapped);

 private:
  Pkcs11Token(std::unique_ptr<Pkcs11Module> module, TokenSlot slot)
      : module_(std::move(module)), slot_(std::move(slot)) {}
  Status log_in(const SecretBuffer& pin);
  Result<std::vector<CK_OBJECT_HANDLE>> find(std::vector<CK_ATTRIBUTE> wanted);
  Result<std::vector<CK_OBJECT_HANDLE>> find_data(const TokenName& name, bool is_private);
  Status create(const TokenName& name, std::span<const std::uint8_t> value, bool is_private);
  Result<bool> read_flag(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
  Result<SecretBuffer> read(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, std::size_t most);

  std::unique_ptr<Pkcs11Module> module_;
  TokenSlot slot_;
  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
  bool logged_in_ = false;
};

}  // namespace akm::keyring
