#include "keyring/token_vault.h"

#include <vector>

#include "daemon/base/clean_text.h"
#include "daemon/base/random.h"
#include "daemon/crypto/secret_observer.h"
#include "keyring/token_object.h"

namespace akm::keyring {
namespace {

constexpr std::string_view kBundle = "akm bundle";
constexpr std::string_view kReceipt = "akm receipt";

// What a bundle is sealed for: it opens under its node's name only.
std::vector<std::uint8_t> associated(std::string_view node) {
  constexpr std::string_view kLabel{"akm1 token bundle\0", 18};
  std::vector<std::uint8_t> out(kLabel.begin(), kLabel.end());
  out.insert(out.end(), node.begin(), node.end());
  return out;
}

Status nothing_there(Pkcs11Token& token, std::string_view node) {
  AKM_ASSIGN(const auto present, token.find_private({kBundle, node}));
  if (present.empty()) return {};
  return fail(Errc::already_exists, "a bundle of this node is on the token " + token.facts().text());
}

/// Whether the token's own key seals it: false when it cannot, and nothing of the try is left.
Result<bool> seal_with_key(Pkcs11Token& token, std::string_view node, std::span<const std::uint8_t> content,
                           TokenObject& object, std::vector<std::uint8_t>& sealed) {
  if (!token.can_seal()) return false;
  SystemRandom random;
  AKM_TRY(random.fill(object.key_id));
  AKM_TRY(random.fill(object.nonce));
  const auto key = token.generate_key(std::string(kBundle) + " " + std::string(node), object.key_id);
  if (!key)
    return key.error().code == Errc::not_supported ? Result<bool>(false) : std::unexpected(key.error());
  auto made = token.seal(*key, object.nonce, associated(node), content);
  // A module that seals and does not open must be found out before the credentials rest on it.
  const auto opened =
      made ? token.open_sealed(*key, object.nonce, associated(node), *made) : std::unexpected(made.error());
  if (!opened || !equal_in_constant_time(opened->reveal(), content)) {
    AKM_TRY(token.destroy(*key));
    return false;
  }
  sealed = std::move(*made);
  object.form = TokenObject::Form::sealed;
  object.body = sealed;
  return true;
}

Result<SecretBuffer> open(Pkcs11Token& token, std::string_view node, CK_OBJECT_HANDLE handle) {
  AKM_ASSIGN(const SecretBuffer value, token.read_value(handle));
  AKM_ASSIGN(const TokenObject object, TokenObject::decode(value.reveal()));
  if (object.form == TokenObject::Form::kept) return SecretBuffer::copy_of(object.body);
  AKM_ASSIGN(const CK_OBJECT_HANDLE key, token.find_key(object.key_id));
  return token.open_sealed(key, object.nonce, associated(node), object.body);
}

// Whose bundle was here, for the refusal; the receipt is anybody's word, and only shown.
Error nothing_found(Pkcs11Token& token, std::string_view node) {
  const auto receipts = token.find_public({kReceipt, node});
  if (!receipts || receipts->empty()) {
    return {Errc::not_found, "no bundle on the token " + token.facts().text()};
  }
  const auto name = token.read_label(receipts->front());
  return {Errc::already_consumed,
          "the token " + token.facts().text() + " holds the receipt of " +
              (name && is_clean_text(*name) ? "'" + *name + "'" : std::string("a node")) + " in its place"};
}

Status destroy_one(Pkcs11Token& token, CK_OBJECT_HANDLE handle) {
  const auto value = token.read_value(handle);
  const auto object = value ? TokenObject::decode(value->reveal()) : std::unexpected(value.error());
  Status first;
  if (object && object->form == TokenObject::Form::sealed) {
    const auto key = token.find_key(object->key_id);
    first = key ? token.destroy(*key)
                : (key.error().code == Errc::not_found ? Status{} : std::unexpected(key.error()));
  }
  const Status gone = token.destroy(handle);
  return first ? gone : first;
}

}  // namespace

Status check_vault(const TokenPlace& place, const SecretBuffer& pin, std::string_view node) {
  AKM_ASSIGN(const auto token, Pkcs11Token::open(place, pin));
  return nothing_there(*token, node);
}

Result<VaultReceipt> put_in_vault(const TokenPlace& place, const SecretBuffer& pin, std::string_view node,
                                  std::span<const std::uint8_t> content) {
  if (content.size() > kVaultContentBytes) return fail(Errc::too_large, "a bundle for a token");
  AKM_ASSIGN(const auto token, Pkcs11Token::open(place, pin));
  AKM_TRY(nothing_there(*token, node));
  VaultReceipt out{token->facts().text(), false};
  TokenObject object{.form = TokenObject::Form::kept, .key_id = {}, .nonce = {}, .body = content};
  std::vector<std::uint8_t> sealed;
  AKM_ASSIGN(out.sealed, seal_with_key(*token, node, content, object, sealed));
  const SecretBuffer value = object.encode();
  const Status written = token->create_private({kBundle, node}, value.reveal());
  if (written) return out;
  // Nothing was there before: whatever is there now is half of this one.
  if (const auto key = token->find_key(object.key_id); out.sealed && key) (void)token->destroy(*key);
  if (const auto begun = token->find_private({kBundle, node})) {
    for (const CK_OBJECT_HANDLE handle : *begun) (void)token->destroy(handle);
  }
  return std::unexpected(written.error());
}

Result<VaultContent> read_vault(const TokenPlace& place, const SecretBuffer& pin) {
  AKM_ASSIGN(const TokenUri uri, TokenUri::parse(place.uri));
  AKM_ASSIGN(const auto token, Pkcs11Token::open(place, pin));
  AKM_ASSIGN(const auto found, token->find_private({kBundle, uri.object()}));
  if (found.empty()) return std::unexpected(nothing_found(*token, uri.object()));
  if (found.size() > 1) {
    return fail(Errc::invalid_argument, "several bundles are on the token " + token->facts().text() +
                                            "; name one by object=NODE in its URI");
  }
  AKM_ASSIGN(std::string node, token->read_label(found.front()));
  AKM_ASSIGN(SecretBuffer content, open(*token, node, found.front()));
  crypto::observe_secret("bundle on a token", content.reveal());
  return VaultContent{std::move(node), std::move(content)};
}

Status consume_vault(const TokenPlace& place, const SecretBuffer& pin, std::string_view node,
                     std::string_view receipt) {
  AKM_ASSIGN(const auto token, Pkcs11Token::open(place, pin));
  Status first;
  const auto note = [&first](const Status& status) {
    if (first && !status) first = status;
  };
  AKM_ASSIGN(const auto bundles, token->find_private({kBundle, node}));
  // It was read a moment ago: a token that knows of none now is not believed to have none.
  if (bundles.empty()) note(fail(Errc::not_found, "the bundle on the token " + token->facts().text()));
  for (const CK_OBJECT_HANDLE handle : bundles) note(destroy_one(*token, handle));
  if (const auto old = token->find_public({kReceipt, node})) {
    for (const CK_OBJECT_HANDLE handle : *old) note(token->destroy(handle));
  }
  note(token->create_public({kReceipt, node},
                            {reinterpret_cast<const std::uint8_t*>(receipt.data()), receipt.size()}));
  return first;
}

}  // namespace akm::keyring
