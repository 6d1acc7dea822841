#include "keyring/pkcs11_error.h"

#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace akm::keyring {
namespace {

struct Sentence {
  CK_RV answer;
  Errc code;
  std::string_view text;
};

constexpr std::array kSentences{
    Sentence{CKR_PIN_INCORRECT, Errc::wrong_pin, "the PIN is wrong"},
    Sentence{CKR_PIN_INVALID, Errc::wrong_pin, "the PIN has characters that the token does not take"},
    Sentence{CKR_PIN_LEN_RANGE, Errc::wrong_pin, "the PIN is too short or too long for the token"},
    Sentence{CKR_PIN_EXPIRED, Errc::wrong_pin,
             "the PIN has expired; set a new one with the token's own tool"},
    Sentence{CKR_PIN_LOCKED, Errc::wrong_pin,
             "the PIN is locked after too many wrong ones; unlock it with the security officer's PIN"},
    Sentence{CKR_USER_PIN_NOT_INITIALIZED, Errc::wrong_pin,
             "the token has no user PIN yet; set one with the token's own tool"},
    Sentence{CKR_USER_NOT_LOGGED_IN, Errc::token_failed, "the token has logged this program out"},
    Sentence{CKR_TOKEN_NOT_PRESENT, Errc::token_failed, "the token is not there; insert it"},
    Sentence{CKR_TOKEN_NOT_RECOGNIZED, Errc::token_failed, "what is in the reader is not a token it knows"},
    Sentence{CKR_DEVICE_REMOVED, Errc::token_failed, "the token was removed; insert it again"},
    Sentence{CKR_SLOT_ID_INVALID, Errc::token_failed, "the token's slot has gone; insert the token again"},
    Sentence{CKR_DEVICE_ERROR, Errc::token_failed, "the token or its reader reports a fault"},
    Sentence{CKR_DEVICE_MEMORY, Errc::token_failed, "the token is full; remove objects from it"},
    Sentence{CKR_HOST_MEMORY, Errc::token_failed, "the module has no memory"},
    Sentence{CKR_TOKEN_WRITE_PROTECTED, Errc::token_failed, "the token is write-protected"},
    Sentence{CKR_SESSION_READ_ONLY, Errc::token_failed, "the token allows reading only"},
    Sentence{CKR_SESSION_HANDLE_INVALID, Errc::token_failed, "the session with the token has ended"},
    Sentence{CKR_SESSION_CLOSED, Errc::token_failed, "the session with the token has ended"},
    Sentence{CKR_SESSION_COUNT, Errc::token_failed, "other programs use all sessions of the token"},
    Sentence{CKR_OBJECT_HANDLE_INVALID, Errc::token_failed, "the object has gone from the token"},
    Sentence{CKR_KEY_HANDLE_INVALID, Errc::token_failed, "the key has gone from the token"},
    Sentence{CKR_ATTRIBUTE_SENSITIVE, Errc::token_failed, "the token does not give this value out"},
    Sentence{CKR_ATTRIBUTE_TYPE_INVALID, Errc::token_failed, "the token does not know this attribute"},
    Sentence{CKR_ATTRIBUTE_VALUE_INVALID, Errc::token_failed, "the token does not take such an object"},
    Sentence{CKR_TEMPLATE_INCONSISTENT, Errc::token_failed, "the token does not take such an object"},
    Sentence{CKR_TEMPLATE_INCOMPLETE, Errc::token_failed, "the token wants more attributes of an object"},
    Sentence{CKR_MECHANISM_INVALID, Errc::token_failed, "the token does not have this mechanism"},
    Sentence{CKR_MECHANISM_PARAM_INVALID, Errc::token_failed, "the token does not take these parameters"},
    Sentence{CKR_ENCRYPTED_DATA_INVALID, Errc::not_authentic, "the token's key does not open it"},
    Sentence{CKR_ENCRYPTED_DATA_LEN_RANGE, Errc::not_authentic, "the token's key does not open it"},
    Sentence{CKR_FUNCTION_NOT_SUPPORTED, Errc::token_failed, "the module does not support this"},
    Sentence{CKR_FUNCTION_FAILED, Errc::token_failed, "the module could not do it"},
    Sentence{CKR_GENERAL_ERROR, Errc::token_failed, "the module reports a fault"},
    Sentence{CKR_CRYPTOKI_NOT_INITIALIZED, Errc::token_failed, "the module is not initialised"},
    Sentence{CKR_USER_ALREADY_LOGGED_IN, Errc::busy, "this program is using the token already"},
    Sentence{CKR_USER_ANOTHER_ALREADY_LOGGED_IN, Errc::busy, "another user is logged in to the token"},
    Sentence{CKR_BUFFER_TOO_SMALL, Errc::token_failed, "the module changed its mind about a length"},
};

}  // namespace

Error pkcs11_error(unsigned long answer, std::string_view what) {
  const auto known = std::ranges::find(kSentences, answer, &Sentence::answer);
  const Errc code = known == kSentences.end() ? Errc::token_failed : known->code;
  std::string detail(what);
  detail += ": ";
  if (known != kSentences.end()) {
    detail += known->text;
  } else {
    std::array<char, 24> number{};
    (void)std::snprintf(number.data(), number.size(), "CKR 0x%08lx", answer);
    detail += number.data();
  }
  return {code, std::move(detail)};
}

}  // namespace akm::keyring
