#include "keyring/pkcs11_token.h"

#include <algorithm>

#include "keyring/pkcs11_error.h"

namespace akm::keyring {
namespace {

constexpr CK_ULONG kKeyBytes = 32;
constexpr CK_ULONG kFindBatch = 16;

// PKCS#11 has no const in its templates; a module does not write to what it is given in them.
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const void* value, std::size_t size) {
  return {type, const_cast<void*>(value), static_cast<CK_ULONG>(size)};
}
template <typename T>
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const T& value) {
  return attribute(type, &value, sizeof value);
}
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, std::string_view text) {
  return attribute(type, text.data(), text.size());
}

constexpr CK_BBOOL kTrue = CK_TRUE;
constexpr CK_BBOOL kFalse = CK_FALSE;
constexpr CK_OBJECT_CLASS kData = CKO_DATA;
constexpr CK_OBJECT_CLASS kSecretKey = CKO_SECRET_KEY;
constexpr CK_KEY_TYPE kAes = CKK_AES;
constexpr CK_KEY_TYPE kGeneric = CKK_GENERIC_SECRET;

std::unexpected<Error> failed(CK_RV answer, std::string_view what) {
  return std::unexpected(pkcs11_error(answer, what));
}

std::string tries_left(const TokenFacts& facts) {
  if ((facts.flags & CKF_USER_PIN_LOCKED) != 0) return "; it is locked now";
  if ((facts.flags & CKF_USER_PIN_FINAL_TRY) != 0) return "; one try is left";
  if ((facts.flags & CKF_USER_PIN_COUNT_LOW) != 0)
    return "; the token counts wrong ones, and locks after some";
  return {};
}

// The last try is a person's to use, at the token's own tool: a daemon with a wrong PIN would lock the token.
Status may_be_tried(const TokenFacts& facts) {
  if ((facts.flags & CKF_USER_PIN_INITIALIZED) == 0)
    return failed(CKR_USER_PIN_NOT_INITIALIZED, facts.text());
  if ((facts.flags & CKF_USER_PIN_LOCKED) != 0) return failed(CKR_PIN_LOCKED, facts.text());
  if ((facts.flags & CKF_USER_PIN_TO_BE_CHANGED) != 0) return failed(CKR_PIN_EXPIRED, facts.text());
  if ((facts.flags & CKF_USER_PIN_FINAL_TRY) != 0) {
    return fail(Errc::wrong_pin,
                facts.text() +
                    ": one try is left, and it was not used; log in once with the token's own tool "
                    "(pkcs11-tool --login), which gives back the others");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Pkcs11Token>> Pkcs11Token::open(const TokenPlace& place, const SecretBuffer& pin) {
  if (pin.empty() || pin.size() > kPinBytes) return fail(Errc::invalid_argument, "a PIN has 1 to 64 bytes");
  AKM_ASSIGN(const TokenUri uri, TokenUri::parse(place.uri));
  AKM_ASSIGN(auto module, Pkcs11Module::load(place.module));
  AKM_ASSIGN(TokenSlot slot, module->find(uri));
  AKM_TRY(may_be_tried(slot.facts));
  std::unique_ptr<Pkcs11Token> out(new Pkcs11Token(std::move(module), std::move(slot)));
  AKM_TRY(out->log_in(pin));
  return out;
}

Status Pkcs11Token::log_in(const SecretBuffer& pin) {
  const CK_FLAGS kind = CKF_SERIAL_SESSION | CKF_RW_SESSION;
  const CK_RV opened = slot_.functions->C_OpenSession(slot_.slot, kind, nullptr, nullptr, &session_);
  if (opened != CKR_OK) {
    session_ = CK_INVALID_HANDLE;
    return failed(opened, slot_.facts.text());
  }
  const auto try_pin = [this, &pin] {
    SecretBuffer given = pin.clone();  // the call takes it as writable
    const auto bytes = given.reveal_mutable();
    return slot_.functions->C_Login(session_, CKU_USER, bytes.data(), static_cast<CK_ULONG>(bytes.size()));
  };
  CK_RV answer = try_pin();
  // Left by an earlier session whose end was lost. It says nothing of this PIN, which is checked all the
  // same.
  if (answer == CKR_USER_ALREADY_LOGGED_IN) {
    (void)slot_.functions->C_Logout(session_);
    answer = try_pin();
  }
  logged_in_ = answer == CKR_OK;
  if (logged_in_) return {};
  Error error = pkcs11_error(answer, slot_.facts.text());
  if (answer == CKR_PIN_INCORRECT) {
    const auto now = token_facts(slot_.functions, slot_.slot);
    if (now) error.detail += tries_left(*now);
  }
  return std::unexpected(std::move(error));
}

Pkcs11Token::~Pkcs11Token() {
  if (logged_in_) (void)slot_.functions->C_Logout(session_);
  if (session_ != CK_INVALID_HANDLE) (void)slot_.functions->C_CloseSession(session_);
}

bool Pkcs11Token::can_seal() const {
  CK_MECHANISM_INFO info{};
  if (slot_.functions->C_GetMechanismInfo(slot_.slot, CKM_AES_KEY_GEN, &info) != CKR_OK) return false;
  if (slot_.functions->C_GetMechanismInfo(slot_.slot, CKM_AES_GCM, &info) != CKR_OK) return false;
  return (info.flags & CKF_ENCRYPT) != 0 && (info.flags & CKF_DECRYPT) != 0;
}

bool Pkcs11Token::can_wrap() const {
  CK_MECHANISM_INFO info{};
  if (slot_.functions->C_GetMechanismInfo(slot_.slot, CKM_AES_KEY_GEN, &info) != CKR_OK) return false;
  if (slot_.functions->C_GetMechanismInfo(slot_.slot, CKM_AES_KEY_WRAP, &info) != CKR_OK) return false;
  return (info.flags & CKF_WRAP) != 0 && (info.flags & CKF_UNWRAP) != 0;
}

Result<std::vector<CK_OBJECT_HANDLE>> Pkcs11Token::find(std::vector<CK_ATTRIBUTE> wanted) {
  const CK_RV begun = slot_.functions->C_FindObjectsInit(session_, wanted.data(), wanted.size());
  if (begun != CKR_OK) return failed(begun, "searching the token");
  std::vector<CK_OBJECT_HANDLE> out;
  Status problem;
  for (;;) {
    std::array<CK_OBJECT_HANDLE, kFindBatch> batch{};
    CK_ULONG count = 0;
    const CK_RV answer = slot_.functions->C_FindObjects(session_, batch.data(), kFindBatch, &count);
    if (answer != CKR_OK) problem = failed(answer, "searching the token");
    if (count > kFindBatch)
      problem = fail(Errc::token_failed, "searching the token: the module counts wrongly");
    if (!problem || count == 0) break;
    out.insert(out.end(), batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(count));
    if (out.size() > kTokenObjectsMax) problem = fail(Errc::limit_exceeded, "objects on the token");
    if (!problem) break;
  }
  (void)slot_.functions->C_FindObjectsFinal(session_);
  if (!problem) return std::unexpected(problem.error());
  return out;
}

Result<std::vector<CK_OBJECT_HANDLE>> Pkcs11Token::find_data(const TokenName& name, bool is_private) {
  std::vector<CK_ATTRIBUTE> wanted{attribute(CKA_CLASS, kData), attribute(CKA_TOKEN, kTrue),
                                   attribute(CKA_PRIVATE, is_private ? kTrue : kFalse),
                                   attribute(CKA_APPLICATION, name.application)};
  if (!name.label.empty()) wanted.push_back(attribute(CKA_LABEL, name.label));
  return find(std::move(wanted));
}

// Who has no PIN can make public objects: what is believed must be private, and the token is asked of each.
Result<std::vector<CK_OBJECT_HANDLE>> Pkcs11Token::find_private(const TokenName& name) {
  AKM_ASSIGN(auto found, find_data(name, true));
  for (const CK_OBJECT_HANDLE object : found) {
    AKM_ASSIGN(const bool is_private, read_flag(object, CKA_PRIVATE));
    if (!is_private) return fail(Errc::not_authentic, "an object on the token that everybody may write");
  }
  return found;
}

Result<std::vector<CK_OBJECT_HANDLE>> Pkcs11Token::find_public(const TokenName& name) {
  return find_data(name, false);
}

Result<SecretBuffer> Pkcs11Token::read(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, std::size_t most) {
  CK_ATTRIBUTE wanted{type, nullptr, 0};
  const CK_RV asked = slot_.functions->C_GetAttributeValue(session_, object, &wanted, 1);
  if (asked != CKR_OK) return failed(asked, "reading from the token");
  // CK_UNAVAILABLE_INFORMATION is the largest number of all.
  if (wanted.ulValueLen > most) return fail(Errc::too_large, "an object on the token");
  SecretBuffer out(wanted.ulValueLen);
  if (out.empty()) return out;
  wanted.pValue = out.reveal_mutable().data();
  const CK_RV answer = slot_.functions->C_GetAttributeValue(session_, object, &wanted, 1);
  if (answer != CKR_OK) return failed(answer, "reading from the token");
  if (wanted.ulValueLen > out.size())
    return fail(Errc::token_failed, "reading from the token: the length changed");
  out.shrink(wanted.ulValueLen);
  return out;
}

Result<bool> Pkcs11Token::read_flag(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  AKM_ASSIGN(const SecretBuffer value, read(object, type, sizeof(CK_BBOOL)));
  if (value.size() != sizeof(CK_BBOOL)) return fail(Errc::token_failed, "reading from the token: no flag");
  return value.reveal()[0] == CK_TRUE;
}

Result<SecretBuffer> Pkcs11Token::read_value(CK_OBJECT_HANDLE object) {
  return read(object, CKA_VALUE, kTokenValueBytes);
}

Result<std::string> Pkcs11Token::read_label(CK_OBJECT_HANDLE object) {
  AKM_ASSIGN(const SecretBuffer label, read(object, CKA_LABEL, kPinBytes));
  return std::string(label.reveal().begin(), label.reveal().end());
}

Status Pkcs11Token::create(const TokenName& name, std::span<const std::uint8_t> value, bool is_private) {
  std::array wanted{attribute(CKA_CLASS, kData),
                    attribute(CKA_TOKEN, kTrue),
                    attribute(CKA_PRIVATE, is_private ? kTrue : kFalse),
                    attribute(CKA_APPLICATION, name.application),
                    attribute(CKA_LABEL, name.label),
                    attribute(CKA_VALUE, value.data(), value.size())};
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  const CK_RV answer = slot_.functions->C_CreateObject(session_, wanted.data(), wanted.size(), &made);
  if (answer != CKR_OK) return failed(answer, "writing to the token");
  if (!is_private) return {};
  const auto kept = read_flag(made, CKA_PRIVATE);
  if (kept && *kept) return {};
  (void)destroy(made);
  if (!kept) return std::unexpected(kept.error());
  return fail(Errc::not_supported, "the token does not keep objects private");
}

Status Pkcs11Token::create_private(const TokenName& name, std::span<const std::uint8_t> value) {
  return create(name, value, true);
}

Status Pkcs11Token::create_public(const TokenName& name, std::span<const std::uint8_t> value) {
  return create(name, value, false);
}

Status Pkcs11Token::destroy(CK_OBJECT_HANDLE object) {
  const CK_RV answer = slot_.functions->C_DestroyObject(session_, object);
  if (answer != CKR_OK) return failed(answer, "destroying an object on the token");
  return {};
}

Result<CK_OBJECT_HANDLE> Pkcs11Token::generate_key(std::string_view label, const TokenKeyId& id, KeyUse use) {
  // For one use: a key that may do both could be asked to open by one what it closed by the other.
  const CK_BBOOL& seals = use == KeyUse::seal ? kTrue : kFalse;
  const CK_BBOOL& wraps = use == KeyUse::wrap ? kTrue : kFalse;
  std::array wanted{attribute(CKA_CLASS, kSecretKey),    attribute(CKA_KEY_TYPE, kAes),
                    attribute(CKA_VALUE_LEN, kKeyBytes), attribute(CKA_TOKEN, kTrue),
                    attribute(CKA_PRIVATE, kTrue),       attribute(CKA_SENSITIVE, kTrue),
                    attribute(CKA_EXTRACTABLE, kFalse),  attribute(CKA_ENCRYPT, seals),
                    attribute(CKA_DECRYPT, seals),       attribute(CKA_WRAP, wraps),
                    attribute(CKA_UNWRAP, wraps),        attribute(CKA_ID, id.data(), id.size()),
                    attribute(CKA_LABEL, label)};
  CK_MECHANISM mechanism{CKM_AES_KEY_GEN, nullptr, 0};
  CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
  const CK_RV answer =
      slot_.functions->C_GenerateKey(session_, &mechanism, wanted.data(), wanted.size(), &key);
  if (answer != CKR_OK) return failed(answer, "making a key on the token");
  const auto is_private = read_flag(key, CKA_PRIVATE);
  const auto sensitive = read_flag(key, CKA_SENSITIVE);
  const auto extractable = read_flag(key, CKA_EXTRACTABLE);
  if (is_private && sensitive && extractable && *is_private && *sensitive && !*extractable) return key;
  (void)destroy(key);
  for (const auto* flag : {&is_private, &sensitive, &extractable}) {
    if (!*flag) return std::unexpected(flag->error());
  }
  return fail(Errc::not_supported, "the token does not keep a key to itself");
}

Result<CK_OBJECT_HANDLE> Pkcs11Token::find_key(const TokenKeyId& id) {
  AKM_ASSIGN(const auto found, find({attribute(CKA_CLASS, kSecretKey), attribute(CKA_TOKEN, kTrue),
                                     attribute(CKA_ID, id.data(), id.size())}));
  if (found.empty()) return fail(Errc::not_found, "the key is not on the token " + slot_.facts.text());
  if (found.size() > 1) return fail(Errc::not_authentic, "several keys of one id on the token");
  return found.front();
}

namespace {

// The parameters borrow nonce and associated data; modules take them as writable, and some write to the
// nonce.
struct Gcm {
  Gcm(TokenNonce& nonce, std::span<const std::uint8_t> associated)
      : parameters{nonce.data(),      nonce.size(),
                   nonce.size() * 8,  const_cast<std::uint8_t*>(associated.data()),
                   associated.size(), kTokenTagBytes * 8},
        mechanism{CKM_AES_GCM, &parameters, sizeof parameters} {}
  CK_GCM_PARAMS parameters;
  CK_MECHANISM mechanism;
};

}  // namespace

Result<std::vector<std::uint8_t>> Pkcs11Token::seal(CK_OBJECT_HANDLE key, TokenNonce nonce,
                                                    std::span<const std::uint8_t> associated,
                                                    std::span<const std::uint8_t> plain) {
  Gcm gcm(nonce, associated);
  if (const CK_RV begun = slot_.functions->C_EncryptInit(session_, &gcm.mechanism, key); begun != CKR_OK) {
    return failed(begun, "sealing with the token's key");
  }
  SecretBuffer in = SecretBuffer::copy_of(plain);
  std::vector<std::uint8_t> out(plain.size() + kTokenTagBytes);
  CK_ULONG size = out.size();
  const CK_RV answer =
      slot_.functions->C_Encrypt(session_, in.reveal_mutable().data(), in.size(), out.data(), &size);
  if (answer != CKR_OK) return failed(answer, "sealing with the token's key");
  if (size != out.size()) return fail(Errc::token_failed, "sealing with the token's key: another length");
  return out;
}

Result<SecretBuffer> Pkcs11Token::open_sealed(CK_OBJECT_HANDLE key, TokenNonce nonce,
                                              std::span<const std::uint8_t> associated,
                                              std::span<const std::uint8_t> sealed) {
  if (sealed.size() < kTokenTagBytes) return fail(Errc::truncated, "what the token is to open");
  Gcm gcm(nonce, associated);
  if (const CK_RV begun = slot_.functions->C_DecryptInit(session_, &gcm.mechanism, key); begun != CKR_OK) {
    return failed(begun, "opening with the token's key");
  }
  std::vector<std::uint8_t> in(sealed.begin(), sealed.end());
  SecretBuffer out(sealed.size());  // with room for the tag: some modules ask for it
  CK_ULONG size = out.size();
  const CK_RV answer =
      slot_.functions->C_Decrypt(session_, in.data(), in.size(), out.reveal_mutable().data(), &size);
  // Modules differ in how they say that a tag is wrong.
  if (answer == CKR_GENERAL_ERROR || answer == CKR_FUNCTION_FAILED || answer == CKR_ENCRYPTED_DATA_INVALID) {
    return failed(CKR_ENCRYPTED_DATA_INVALID, "opening with the token's key");
  }
  if (answer != CKR_OK) return failed(answer, "opening with the token's key");
  if (size != sealed.size() - kTokenTagBytes) {
    return fail(Errc::token_failed, "opening with the token's key: another length");
  }
  out.shrink(size);
  return out;
}

Result<std::vector<std::uint8_t>> Pkcs11Token::wrap(CK_OBJECT_HANDLE key,
                                                    std::span<const std::uint8_t> plain) {
  std::array given{attribute(CKA_CLASS, kSecretKey),
                   attribute(CKA_KEY_TYPE, kGeneric),
                   attribute(CKA_TOKEN, kFalse),
                   attribute(CKA_PRIVATE, kTrue),
                   attribute(CKA_SENSITIVE, kFalse),
                   attribute(CKA_EXTRACTABLE, kTrue),
                   attribute(CKA_VALUE, plain.data(), plain.size())};
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  const CK_RV made = slot_.functions->C_CreateObject(session_, given.data(), given.size(), &object);
  if (made != CKR_OK) return failed(made, "wrapping with the token's key");
  std::vector<std::uint8_t> out(plain.size() + kTokenWrapBytes);
  CK_ULONG size = out.size();
  CK_MECHANISM mechanism{CKM_AES_KEY_WRAP, nullptr, 0};
  const CK_RV answer = slot_.functions->C_WrapKey(session_, &mechanism, key, object, out.data(), &size);
  const Status gone = destroy(object);
  if (answer != CKR_OK) return failed(answer, "wrapping with the token's key");
  if (size != out.size()) return fail(Errc::token_failed, "wrapping with the token's key: another length");
  AKM_TRY(gone);
  return out;
}

Result<SecretBuffer> Pkcs11Token::unwrap(CK_OBJECT_HANDLE key, std::span<const std::uint8_t> wrapped) {
  if (wrapped.size() <= kTokenWrapBytes) return fail(Errc::truncated, "what the token is to unwrap");
  std::array wanted{attribute(CKA_CLASS, kSecretKey), attribute(CKA_KEY_TYPE, kGeneric),
                    attribute(CKA_TOKEN, kFalse),     attribute(CKA_PRIVATE, kTrue),
                    attribute(CKA_SENSITIVE, kFalse), attribute(CKA_EXTRACTABLE, kTrue)};
  std::vector<std::uint8_t> in(wrapped.begin(), wrapped.end());
  CK_MECHANISM mechanism{CKM_AES_KEY_WRAP, nullptr, 0};
  CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
  const CK_RV answer = slot_.functions->C_UnwrapKey(session_, &mechanism, key, in.data(), in.size(),
                                                    wanted.data(), wanted.size(), &object);
  // Modules differ in how they say that the check value is wrong.
  if (answer == CKR_GENERAL_ERROR || answer == CKR_FUNCTION_FAILED || answer == CKR_WRAPPED_KEY_INVALID)
    return failed(CKR_ENCRYPTED_DATA_INVALID, "unwrapping with the token's key");
  if (answer != CKR_OK) return failed(answer, "unwrapping with the token's key");
  auto out = read_value(object);
  AKM_TRY(destroy(object));
  if (out && out->size() != wrapped.size() - kTokenWrapBytes)
    return fail(Errc::token_failed, "unwrapping with the token's key: another length");
  return out;
}

}  // namespace akm::keyring
