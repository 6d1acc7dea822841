#include "keyring/pkcs11_error.h"

#include <criterion/criterion.h>
#include <p11-kit/pkcs11.h>

using akm::Errc;
using akm::keyring::pkcs11_error;

Test(pkcs11_error, says_what_to_do) {
  const auto removed = pkcs11_error(CKR_DEVICE_REMOVED, "reading");
  cr_assert(removed.code == Errc::token_failed);
  cr_assert_str_eq(removed.detail.c_str(), "reading: the token was removed; insert it again");
  cr_assert(pkcs11_error(CKR_PIN_INCORRECT, "'one'").code == Errc::wrong_pin);
  cr_assert(pkcs11_error(CKR_PIN_LOCKED, "'one'").code == Errc::wrong_pin);
  cr_assert(pkcs11_error(CKR_ENCRYPTED_DATA_INVALID, "opening").code == Errc::not_authentic);
  cr_assert(pkcs11_error(CKR_USER_ALREADY_LOGGED_IN, "x").code == Errc::busy);
}

Test(pkcs11_error, what_it_does_not_know_has_its_number) {
  cr_assert_eq(pkcs11_error(CKR_VENDOR_DEFINED | 7UL, "reading").detail, "reading: CKR 0x80000007");
}
