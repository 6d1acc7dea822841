#include "keyring/token_sealer.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "daemon/base/hex.h"
#include "daemon/base/random.h"
#include "daemon/crypto/hkdf.h"
#include "daemon/crypto/secret_observer.h"
#include "keyring/sealed_blob.h"
#include "keyring/token_pin.h"

namespace akm::keyring {
namespace {

constexpr std::string_view kKeyLabel = "akm storage key";
constexpr std::string_view kStarts = "akm starts";
constexpr std::size_t kCheckBytes = 16;

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// By this the key is known again, whatever a module answers. It says nothing about a key of 256 random bits.
Result<std::array<std::uint8_t, kCheckBytes>> check_of(const StorageKey& key, const TokenKeyId& id) {
  std::array<std::uint8_t, kCheckBytes> out{};
  AKM_TRY(crypto::hkdf_expand(crypto::Hash::sha256, key.reveal(),
                              {bytes_of(std::string_view("akm1 token check\0", 17)), id}, out));
  return out;
}

Result<SecretBuffer> counter_key_of(const StorageKey& key) {
  SecretBuffer out(32);
  AKM_TRY(crypto::hkdf_expand(crypto::Hash::sha256, key.reveal(),
                              {bytes_of(std::string_view("akm1 token counter\0", 19))},
                              out.reveal_mutable()));
  crypto::observe_secret("token counter key", out.reveal());
  return out;
}

std::vector<std::uint8_t> associated(const TokenKeyId& id) {
  constexpr std::string_view kLabel{"akm1 token storage key\0", 23};
  std::vector<std::uint8_t> out(kLabel.begin(), kLabel.end());
  out.insert(out.end(), id.begin(), id.end());
  return out;
}

constexpr std::size_t kGcmBytes = kStorageKeyBytes + kTokenTagBytes;
constexpr std::size_t kWrappedBytes = kStorageKeyBytes + kTokenWrapBytes;

/// What kek.sealed says: identifier; nonce (AES-GCM; else zeros) and check; what the token's key opens, whose
/// length tells AES-GCM, key wrap, or nothing (the token keeps the key).
struct Sealed {
  TokenKeyId id{};
  TokenNonce nonce{};
  std::array<std::uint8_t, kCheckBytes> check{};
  std::vector<std::uint8_t> sealed;

  [[nodiscard]] Result<std::vector<std::uint8_t>> encode() const {
    SealedBlob blob;
    blob.kind = SealerKind::token;
    blob.parent.assign(id.begin(), id.end());
    blob.public_part.assign(nonce.begin(), nonce.end());
    blob.public_part.insert(blob.public_part.end(), check.begin(), check.end());
    blob.private_part = sealed;
    return encode_sealed_blob(blob);
  }

  static Result<Sealed> decode(std::span<const std::uint8_t> bytes) {
    const auto blob = decode_sealed_blob(bytes);
    if (!blob) return fail(Errc::sealed_unavailable, blob.error().message());
    if (blob->kind != SealerKind::token) {
      return fail(Errc::sealed_unavailable,
                  "the key was sealed by another means, the configuration says token");
    }
    Sealed out;
    const std::size_t size = blob->private_part.size();
    if (blob->parent.size() != out.id.size() ||
        blob->public_part.size() != out.nonce.size() + out.check.size() ||
        (size != 0 && size != kGcmBytes && size != kWrappedBytes)) {
      return fail(Errc::sealed_unavailable, "the sealed blob has wrong lengths");
    }
    std::ranges::copy(blob->parent, out.id.begin());
    std::copy_n(blob->public_part.begin(), out.nonce.size(), out.nonce.begin());
    std::copy_n(blob->public_part.end() - kCheckBytes, kCheckBytes, out.check.begin());
    out.sealed = blob->private_part;
    return out;
  }
};

/// True when the token's own key seals it; false when the token cannot, and nothing of the try is left.
Result<bool> seal_with_key(Pkcs11Token& token, const StorageKey& key, Pkcs11Token::KeyUse use, Sealed& out) {
  const bool wraps = use == Pkcs11Token::KeyUse::wrap;
  if (wraps ? !token.can_wrap() : !token.can_seal()) return false;
  const auto made = token.generate_key(kKeyLabel, out.id, use);
  if (!made)
    return made.error().code == Errc::not_supported ? Result<bool>(false) : std::unexpected(made.error());
  if (wraps) out.nonce = {};
  auto sealed = wraps ? token.wrap(*made, key.reveal())
                      : token.seal(*made, out.nonce, associated(out.id), key.reveal());
  if (!sealed) {
    AKM_TRY(token.destroy(*made));
    return false;
  }
  out.sealed = std::move(*sealed);
  return true;
}

Status add_counter(Pkcs11Token& token, std::uint32_t value, std::span<const std::uint8_t> key,
                   const TokenKeyId& id) {
  AKM_ASSIGN(const auto bytes, encode_counter(value, key, id));
  return token.create_private({kStarts, hex(id)}, bytes);
}

/// Objects of this identifier, whatever they are: key, kept key, counters.
Status destroy_all(Pkcs11Token& token, const TokenKeyId& id) {
  Status first;
  const auto note = [&first](const Status& status) {
    if (first && !status) first = status;
  };
  if (const auto key = token.find_key(id)) {
    note(token.destroy(*key));
  } else if (key.error().code != Errc::not_found) {
    note(std::unexpected(key.error()));
  }
  for (const std::string_view application : {kKeyLabel, kStarts}) {
    const auto found = token.find_private({application, hex(id)});
    if (!found) note(std::unexpected(found.error()));
    if (!found) continue;
    for (const CK_OBJECT_HANDLE object : *found) note(token.destroy(object));
  }
  return first;
}

Result<SecretBuffer> open_with_token(Pkcs11Token& token, const Sealed& blob) {
  if (!blob.sealed.empty()) {
    AKM_ASSIGN(const CK_OBJECT_HANDLE key, token.find_key(blob.id));
    if (blob.sealed.size() == kWrappedBytes) return token.unwrap(key, blob.sealed);
    return token.open_sealed(key, blob.nonce, associated(blob.id), blob.sealed);
  }
  AKM_ASSIGN(const auto kept, token.find_private({kKeyLabel, hex(blob.id)}));
  if (kept.empty()) return fail(Errc::not_found, "the key is not on the token " + token.facts().text());
  return token.read_value(kept.front());
}

/// A wrong PIN stays what it is: it must not be tried again and again. All else may pass.
std::unexpected<Error> unavailable(const Error& error) {
  if (error.code == Errc::wrong_pin) {
    return fail(Errc::wrong_pin, error.detail + "; put the right PIN in place, then restart the daemon");
  }
  if (error.code == Errc::sealed_unavailable) return std::unexpected(error);
  return fail(Errc::sealed_unavailable, error.message());
}

}  // namespace

std::string TokenSealer::description() const {
  if (token_.empty()) return "PKCS#11 token " + options_.place.uri;
  return "PKCS#11 token " + token_ + form_;
}

Result<std::unique_ptr<Pkcs11Token>> TokenSealer::open() const {
  AKM_ASSIGN(const SecretBuffer pin, read_pin(options_.pin_file));
  return Pkcs11Token::open(options_.place, pin);
}

Result<std::vector<std::uint8_t>> TokenSealer::seal(const StorageKey& key) {
  AKM_ASSIGN(const auto token, open());
  Sealed out;
  SystemRandom random;
  AKM_TRY(random.fill(out.id));
  AKM_TRY(random.fill(out.nonce));
  const auto write = [&]() -> Result<std::vector<std::uint8_t>> {
    AKM_ASSIGN(bool with_key, seal_with_key(*token, key, Pkcs11Token::KeyUse::seal, out));
    if (!with_key) {
      AKM_ASSIGN(with_key, seal_with_key(*token, key, Pkcs11Token::KeyUse::wrap, out));
    }
    if (!with_key) {
      out.nonce = {};
      AKM_TRY(token->create_private({kKeyLabel, hex(out.id)}, key.reveal()));
    }
    AKM_ASSIGN(out.check, check_of(key, out.id));
    AKM_ASSIGN(const SecretBuffer counter_key, counter_key_of(key));
    AKM_TRY(add_counter(*token, 0, counter_key.reveal(), out.id));
    return out.encode();
  };
  auto written = write();
  if (!written) (void)destroy_all(*token, out.id);
  return written;
}

Result<StorageKey> TokenSealer::unseal(std::span<const std::uint8_t> bytes) {
  const auto blob = Sealed::decode(bytes);
  if (!blob) return std::unexpected(blob.error());
  const auto token = open();
  if (!token) return unavailable(token.error());
  token_ = (*token)->facts().text();
  const auto opened = open_with_token(**token, *blob);
  if (!opened && opened.error().code == Errc::not_found) {
    return fail(Errc::sealed_unavailable,
                opened.error().detail + ": it is another token, or it was erased; insert the right one");
  }
  if (!opened) return unavailable(opened.error());
  if (opened->size() != kStorageKeyBytes)
    return fail(Errc::sealed_unavailable, "the token gave no storage key");
  StorageKey key = StorageKey::copy_of(opened->reveal().first<kStorageKeyBytes>());
  AKM_ASSIGN(const auto check, check_of(key, blob->id));
  if (!equal_in_constant_time(check, blob->check)) {
    return fail(Errc::sealed_unavailable, "the token gave another key than the one that was sealed");
  }
  crypto::observe_secret("storage key", key.reveal());
  AKM_ASSIGN(counter_key_, counter_key_of(key));
  id_ = blob->id;
  form_ = blob->sealed.size() == kGcmBytes ? ": sealed by its key (AES-GCM)"
          : blob->sealed.size() == kWrappedBytes
              ? ": wrapped by its key (AES key wrap)"
              : ": kept on it as an object, since it can neither seal nor wrap";
  return key;
}

Result<std::uint32_t> TokenSealer::next_incarnation() {
  if (counter_key_.empty()) return fail(Errc::wrong_state, "the storage key is not open");
  AKM_ASSIGN(const auto token, open());
  const std::string label = hex(id_);
  AKM_ASSIGN(const auto found, token->find_private({kStarts, label}));
  std::optional<std::uint32_t> last;
  for (const CK_OBJECT_HANDLE object : found) {
    AKM_ASSIGN(const SecretBuffer value, token->read_value(object));
    const auto counted = decode_counter(value.reveal(), counter_key_.reveal(), id_);
    // One that does not count was cut short by a crash, which left the one before it.
    if (counted) last = std::max(last.value_or(0), *counted);
  }
  if (!last) {
    return fail(Errc::state_corrupt, "the start counter is not on the token " + token->facts().text() +
                                         ": the token was restored, or somebody removed it");
  }
  if (*last == UINT32_MAX) return fail(Errc::exhausted, "the start counter on the token");
  AKM_TRY(add_counter(*token, *last + 1, counter_key_.reveal(), id_));
  for (const CK_OBJECT_HANDLE object : found) AKM_TRY(token->destroy(object));
  AKM_ASSIGN(const auto left, token->find_private({kStarts, label}));
  if (left.size() != 1) return fail(Errc::token_failed, "the start counter was not kept");
  AKM_ASSIGN(const SecretBuffer value, token->read_value(left.front()));
  if (decode_counter(value.reveal(), counter_key_.reveal(), id_) != *last + 1) {
    return fail(Errc::token_failed, "the start counter was not kept");
  }
  return *last + 1;
}

Result<std::vector<std::string>> TokenSealer::erase(std::span<const std::uint8_t> blob) {
  if (blob.empty()) return std::vector<std::string>{};
  AKM_TRY(discard(blob));
  return std::vector<std::string>{"token-key", "token-counter"};
}

Status TokenSealer::discard(std::span<const std::uint8_t> bytes) {
  AKM_ASSIGN(const Sealed blob, Sealed::decode(bytes));
  AKM_ASSIGN(const auto token, open());
  return destroy_all(*token, blob.id);
}

}  // namespace akm::keyring
