#include "keyring/token_vault.h"

#include <criterion/criterion.h>

#include <algorithm>

#include "keyring/token_object.h"
#include "tests/support/faulty_pkcs11.h"
#include "tests/support/softhsm_fixture.h"

using akm::Errc;
using akm::keyring::check_vault;
using akm::keyring::consume_vault;
using akm::keyring::Pkcs11Token;
using akm::keyring::put_in_vault;
using akm::keyring::read_vault;
using akm::keyring::TokenObject;
using akm::keyring::TokenPlace;
using akm::test::Pkcs11Fault;
using akm::test::secret_of;
using akm::test::SoftHsm;
using Bytes = std::vector<std::uint8_t>;

namespace {

const Bytes kContent(700, 0x5a);

std::unique_ptr<SoftHsm> softhsm() {
  if (!akm::test::have_softhsm()) cr_skip("%s", akm::test::kNoSoftHsm);
  return std::make_unique<SoftHsm>();
}

bool same(const akm::SecretBuffer& secret) {
  return std::ranges::equal(secret.reveal(), kContent);
}

TokenPlace object_of(const SoftHsm& hsm, const std::string& node) {
  return {hsm.place.module, hsm.place.uri + ";object=" + node};
}

}  // namespace

Test(token_vault, a_bundle_is_read_once_and_leaves_a_receipt) {
  const auto hsm = softhsm();
  cr_assert(check_vault(hsm->place, hsm->pin, "a"));
  const auto put = put_in_vault(hsm->place, hsm->pin, "a", kContent);
  cr_assert(put, "%s", put.error().message().c_str());
  cr_assert(put->sealed, "SoftHSM can do AES-GCM");
  cr_assert(put->token.starts_with("'one'"), "%s", put->token.c_str());
  cr_assert(check_vault(hsm->place, hsm->pin, "a").error().code == Errc::already_exists);
  cr_assert(put_in_vault(hsm->place, hsm->pin, "a", kContent).error().code == Errc::already_exists);
  hsm->save("copy");
  const auto read = read_vault(hsm->place, hsm->pin);
  cr_assert(read && same(read->content) && read->node == "a", "%s", read.error().message().c_str());
  cr_assert(read_vault(hsm->place, hsm->pin), "reading alone uses nothing up");
  cr_assert(consume_vault(hsm->place, hsm->pin, "a", "{\"akm-receipt\": 1}"));
  const auto again = read_vault(hsm->place, hsm->pin);
  cr_assert(!again && again.error().code == Errc::already_consumed);
  cr_assert(again.error().detail.contains("the receipt of 'a'"), "%s", again.error().detail.c_str());
  cr_assert(check_vault(hsm->place, hsm->pin, "a"), "a next serial may come the same way");
  const auto token = Pkcs11Token::open(hsm->place, hsm->pin);
  const auto receipts = (*token)->find_public({"akm receipt", "a"});
  cr_assert(receipts && receipts->size() == 1);
  cr_assert_eq((*token)->read_value(receipts->front())->size(), 18);
}

Test(token_vault, several_bundles_are_told_apart_by_their_node) {
  const auto hsm = softhsm();
  cr_assert(read_vault(hsm->place, hsm->pin).error().code == Errc::not_found);
  cr_assert(put_in_vault(hsm->place, hsm->pin, "a", kContent));
  cr_assert(put_in_vault(hsm->place, hsm->pin, "b", Bytes{1}));
  cr_assert(read_vault(hsm->place, hsm->pin).error().code == Errc::invalid_argument);
  cr_assert(same(read_vault(object_of(*hsm, "a"), hsm->pin)->content));
  cr_assert_eq(read_vault(object_of(*hsm, "b"), hsm->pin)->content.size(), 1);
  cr_assert(read_vault(object_of(*hsm, "c"), hsm->pin).error().code == Errc::not_found);
  cr_assert(consume_vault(hsm->place, hsm->pin, "a", "r"));
  cr_assert(read_vault(hsm->place, hsm->pin)->node == "b", "the other one is not touched");
}

Test(token_vault, a_wrong_pin_opens_nothing) {
  const auto hsm = softhsm();
  const auto wrong = secret_of("0000");
  cr_assert(check_vault(hsm->place, wrong, "a").error().code == Errc::wrong_pin);
  cr_assert(put_in_vault(hsm->place, wrong, "a", kContent).error().code == Errc::wrong_pin);
  cr_assert(put_in_vault(hsm->place, hsm->pin, "a", kContent));
  cr_assert(read_vault(hsm->place, wrong).error().code == Errc::wrong_pin);
  cr_assert(consume_vault(hsm->place, wrong, "a", "r").error().code == Errc::wrong_pin);
  cr_assert(same(read_vault(hsm->place, hsm->pin)->content));
}

Test(token_vault, a_public_object_is_no_bundle) {
  const auto hsm = softhsm();
  const auto planted = TokenObject{TokenObject::Form::kept, {}, {}, kContent}.encode();
  cr_assert((*Pkcs11Token::open(hsm->place, hsm->pin))->create_public({"akm bundle", "a"}, planted.reveal()));
  cr_assert(read_vault(hsm->place, hsm->pin).error().code == Errc::not_found);
}

Test(token_vault, a_sealed_one_opens_under_its_name_and_with_its_key_only) {
  const auto hsm = softhsm();
  cr_assert(put_in_vault(hsm->place, hsm->pin, "a", kContent));
  {
    const auto token = Pkcs11Token::open(hsm->place, hsm->pin);
    const auto found = (*token)->find_private({"akm bundle", "a"});
    const auto value = (*token)->read_value(found->front());
    cr_assert((*token)->create_private({"akm bundle", "b"}, value->reveal()));
    Bytes changed(value->reveal().begin(), value->reveal().end());
    changed.back() ^= 1;
    cr_assert((*token)->create_private({"akm bundle", "c"}, changed));
    cr_assert((*token)->create_private({"akm bundle", "d"}, Bytes{1, 2, 3}));
  }
  cr_assert(same(read_vault(object_of(*hsm, "a"), hsm->pin)->content));
  cr_assert(read_vault(object_of(*hsm, "b"), hsm->pin).error().code == Errc::not_authentic);
  cr_assert(read_vault(object_of(*hsm, "c"), hsm->pin).error().code == Errc::not_authentic);
  cr_assert(read_vault(object_of(*hsm, "d"), hsm->pin).error().code == Errc::malformed);
  cr_assert(consume_vault(hsm->place, hsm->pin, "a", "r"));
  cr_assert(!read_vault(object_of(*hsm, "b"), hsm->pin), "its key is gone");
}

Test(token_vault, a_token_without_gcm_keeps_it_by_the_pin) {
  auto hsm = softhsm();
  auto* const plan = akm::test::faulty_pkcs11(FAULTY_PKCS11);
  cr_assert_not_null(plan);
  hsm->place.module = FAULTY_PKCS11;
  *plan = {};
  plan->without_gcm = true;
  const auto put = put_in_vault(hsm->place, hsm->pin, "a", kContent);
  cr_assert(put && !put->sealed);
  cr_assert(same(read_vault(hsm->place, hsm->pin)->content));
  cr_assert(consume_vault(hsm->place, hsm->pin, "a", "r"));
  cr_assert(read_vault(hsm->place, hsm->pin).error().code == Errc::already_consumed);
  *plan = {};
}

// Every call of writing, reading and consuming goes wrong once, in each way. What cannot be noticed: a module
// that gives out other content than the token's key opened.
Test(token_vault, any_call_may_fail) {
  auto hsm = softhsm();
  auto* const plan = akm::test::faulty_pkcs11(FAULTY_PKCS11);
  hsm->place.module = FAULTY_PKCS11;
  *plan = {};
  hsm->save("empty");
  cr_assert(put_in_vault(hsm->place, hsm->pin, "a", kContent));
  hsm->save("full");
  for (const Pkcs11Fault fault : {Pkcs11Fault::refuse, Pkcs11Fault::lose, Pkcs11Fault::absurd_length,
                                  Pkcs11Fault::shorten, Pkcs11Fault::none_found}) {
    unsigned long n = 1;
    bool more = true;
    for (; more; ++n) {
      const auto break_call = [&] {
        *plan = {.fail_at = n, .fault = fault, .answer = CKR_DEVICE_ERROR, .calls = 0};
      };
      hsm->restore("empty");
      break_call();
      const auto put = put_in_vault(hsm->place, hsm->pin, "a", kContent);
      more = plan->calls >= n;
      *plan = {};
      const auto kept = read_vault(hsm->place, hsm->pin);
      cr_assert(!put || (kept && same(kept->content)), "what was said to be written is there: call %lu", n);
      hsm->restore("full");
      break_call();
      const auto read = read_vault(hsm->place, hsm->pin);
      more |= plan->calls >= n;
      cr_assert(!read || same(read->content), "call %lu", n);
      *plan = {};
      cr_assert(same(read_vault(hsm->place, hsm->pin)->content), "reading loses nothing: call %lu", n);
      break_call();
      const auto consumed = consume_vault(hsm->place, hsm->pin, "a", "r");
      more |= plan->calls >= n;
      *plan = {};
      cr_assert(!consumed || !read_vault(hsm->place, hsm->pin), "call %lu", n);
    }
    cr_assert_gt(n, 15);
  }
}
