#include "keyring/pkcs11_token.h"

#include <criterion/criterion.h>

#include <algorithm>

#include "tests/support/faulty_pkcs11.h"
#include "tests/support/softhsm_fixture.h"

using akm::Errc;
using akm::keyring::Pkcs11Token;
using akm::keyring::TokenKeyId;
using akm::keyring::TokenNonce;
using akm::test::secret_of;
using akm::test::SoftHsm;
using Bytes = std::vector<std::uint8_t>;

namespace {

std::unique_ptr<SoftHsm> softhsm() {
  if (!akm::test::have_softhsm()) cr_skip("%s", akm::test::kNoSoftHsm);
  return std::make_unique<SoftHsm>();
}

/// With the module that misbehaves before it.
struct Faulty {
  std::unique_ptr<SoftHsm> hsm = softhsm();
  akm::test::Pkcs11Plan* plan = akm::test::faulty_pkcs11(FAULTY_PKCS11);
  Faulty() {
    cr_assert_not_null(plan);
    hsm->place.module = FAULTY_PKCS11;
  }
};

}  // namespace

Test(pkcs11_token, a_wrong_pin_and_a_missing_token_are_told_apart) {
  const auto hsm = softhsm();
  const auto wrong = Pkcs11Token::open(hsm->place, secret_of("9999"));
  cr_assert(!wrong && wrong.error().code == Errc::wrong_pin, "%s", wrong.error().message().c_str());
  cr_assert(wrong.error().detail.contains("the PIN is wrong"), "%s", wrong.error().detail.c_str());
  cr_assert(Pkcs11Token::open(hsm->place, hsm->pin));
  cr_assert(Pkcs11Token::open({hsm->place.module, "pkcs11:token=other"}, hsm->pin).error().code ==
            Errc::not_found);
  hsm->pull_out();
  cr_assert(Pkcs11Token::open(hsm->place, hsm->pin).error().code == Errc::not_found);
  hsm->put_back();
  cr_assert(Pkcs11Token::open(hsm->place, hsm->pin));
  cr_assert(Pkcs11Token::open(hsm->place, {}).error().code == Errc::invalid_argument);
}

Test(pkcs11_token, the_last_try_is_not_used) {
  Faulty faulty;
  for (const auto& [flag, text] :
       {std::pair{CKF_USER_PIN_FINAL_TRY, "one try is left, and it was not used"},
        std::pair{CKF_USER_PIN_LOCKED, "locked"}, std::pair{CKF_USER_PIN_TO_BE_CHANGED, "expired"}}) {
    *faulty.plan = {};
    faulty.plan->add_flags = flag;
    const auto opened = Pkcs11Token::open(faulty.hsm->place, faulty.hsm->pin);
    cr_assert(!opened && opened.error().code == Errc::wrong_pin);
    cr_assert(opened.error().detail.contains(text), "%s", opened.error().detail.c_str());
    cr_assert_eq(faulty.plan->logins, 0, "no try for %s", text);
  }
  *faulty.plan = {};
  cr_assert(Pkcs11Token::open(faulty.hsm->place, faulty.hsm->pin), "the right PIN was never in question");
  cr_assert_eq(faulty.plan->logins, 1);
}

Test(pkcs11_token, objects_are_private_or_public_as_asked) {
  const auto hsm = softhsm();
  const auto token = Pkcs11Token::open(hsm->place, hsm->pin);
  cr_assert(token, "%s", token.error().message().c_str());
  cr_assert((*token)->create_private({"akm test", "a"}, Bytes{1, 2, 3}));
  cr_assert((*token)->create_public({"akm test", "a"}, Bytes{4}));
  const auto found = (*token)->find_private({"akm test", "a"});
  cr_assert(found && found->size() == 1);
  const auto value = (*token)->read_value(found->front());
  cr_assert(value && std::ranges::equal(value->reveal(), Bytes{1, 2, 3}));
  cr_assert_eq(*(*token)->read_label(found->front()), "a");
  cr_assert_eq((*token)->find_public({"akm test", ""})->size(), 1);
  cr_assert((*token)->find_private({"akm other", ""})->empty());
  cr_assert((*token)->destroy(found->front()));
  cr_assert((*token)->find_private({"akm test", "a"})->empty());
  cr_assert(!(*token)->read_value(found->front()), "it is gone");
}

Test(pkcs11_token, more_objects_than_are_taken_are_refused) {
  const auto hsm = softhsm();
  const auto token = Pkcs11Token::open(hsm->place, hsm->pin);
  for (std::size_t i = 0; i <= akm::keyring::kTokenObjectsMax; ++i) {
    cr_assert((*token)->create_private({"akm test", "a"}, Bytes{1}));
  }
  cr_assert((*token)->find_private({"akm test", "a"}).error().code == Errc::limit_exceeded);
}

Test(pkcs11_token, a_value_over_the_limit_is_not_read) {
  const auto hsm = softhsm();
  const auto token = Pkcs11Token::open(hsm->place, hsm->pin);
  cr_assert((*token)->create_private({"akm test", "big"}, Bytes(akm::keyring::kTokenValueBytes + 1, 7)));
  const auto found = (*token)->find_private({"akm test", "big"});
  cr_assert((*token)->read_value(found->front()).error().code == Errc::too_large);
}

Test(pkcs11_token, a_key_stays_on_the_token_and_seals_with_what_it_is_bound_to) {
  const auto hsm = softhsm();
  const auto token = Pkcs11Token::open(hsm->place, hsm->pin);
  cr_assert((*token)->can_seal());
  const TokenKeyId id{1, 2, 3};
  const TokenNonce nonce{9};
  const auto key = (*token)->generate_key("akm test", id);
  cr_assert(key, "%s", key.error().message().c_str());
  cr_assert_eq(*(*token)->find_key(id), *key);
  cr_assert((*token)->find_key({7}).error().code == Errc::not_found);
  const Bytes plain{1, 2, 3, 4, 5};
  auto sealed = (*token)->seal(*key, nonce, Bytes{5}, plain);
  cr_assert(sealed, "%s", sealed.error().message().c_str());
  cr_assert_eq(sealed->size(), plain.size() + 16);
  const auto opened = (*token)->open_sealed(*key, nonce, Bytes{5}, *sealed);
  cr_assert(opened && std::ranges::equal(opened->reveal(), plain), "%s", opened.error().message().c_str());
  cr_assert((*token)->open_sealed(*key, nonce, Bytes{6}, *sealed).error().code == Errc::not_authentic);
  sealed->back() ^= 1;
  cr_assert((*token)->open_sealed(*key, nonce, Bytes{5}, *sealed).error().code == Errc::not_authentic);
  cr_assert((*token)->open_sealed(*key, nonce, Bytes{5}, Bytes(15)).error().code == Errc::truncated);
  cr_assert(!(*token)->read_value(*key), "the key is not given out");
  cr_assert((*token)->generate_key("akm test", id));
  cr_assert((*token)->find_key(id).error().code == Errc::not_authentic, "two of one id");
}

Test(pkcs11_token, a_session_that_ends_under_it_is_an_error_and_the_next_one_works) {
  Faulty faulty;
  *faulty.plan = {};
  const auto token = Pkcs11Token::open(faulty.hsm->place, faulty.hsm->pin);
  cr_assert(token);
  for (const CK_RV answer : {CKR_SESSION_HANDLE_INVALID, CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT,
                             CKR_DEVICE_ERROR, CKR_HOST_MEMORY, CKR_USER_NOT_LOGGED_IN}) {
    faulty.plan->fail_at = faulty.plan->calls + 1;
    faulty.plan->answer = answer;
    const auto found = (*token)->find_private({"akm test", ""});
    cr_assert(!found && found.error().code == Errc::token_failed, "%lx", answer);
    cr_assert((*token)->find_private({"akm test", ""}));
  }
}

Test(pkcs11_token, a_login_that_an_earlier_session_left_says_nothing_of_the_pin) {
  const auto hsm = softhsm();
  const auto first = Pkcs11Token::open(hsm->place, hsm->pin);
  cr_assert(first);
  const auto wrong = Pkcs11Token::open(hsm->place, secret_of("9999"));
  cr_assert(!wrong && wrong.error().code == Errc::wrong_pin);
  cr_assert(Pkcs11Token::open(hsm->place, hsm->pin));
}
