#include "keyring/token_sealer.h"

#include <criterion/criterion.h>

#include <algorithm>

#include "keyring/sealed_blob.h"
#include "tests/support/faulty_pkcs11.h"
#include "tests/support/softhsm_fixture.h"

using akm::Errc;
using akm::keyring::Pkcs11Token;
using akm::keyring::SealerKind;
using akm::keyring::StorageKey;
using akm::keyring::TokenSealer;
using akm::test::Pkcs11Fault;
using akm::test::SoftHsm;
using Bytes = std::vector<std::uint8_t>;

namespace {

std::unique_ptr<SoftHsm> softhsm() {
  if (!akm::test::have_softhsm()) cr_skip("%s", akm::test::kNoSoftHsm);
  return std::make_unique<SoftHsm>();
}

StorageKey key_of(std::uint8_t first) {
  StorageKey key;
  for (std::size_t i = 0; i < akm::keyring::kStorageKeyBytes; ++i) {
    key.reveal_mutable()[i] = static_cast<std::uint8_t>(first + i);
  }
  return key;
}

TokenSealer sealer_on(const SoftHsm& hsm, const std::string& pin = "1234") {
  return TokenSealer({hsm.place, hsm.pin_file(pin)});
}

}  // namespace

Test(token_sealer, seals_and_unseals_also_in_another_process_life) {
  const auto hsm = softhsm();
  const auto blob = sealer_on(*hsm).seal(key_of(1));
  cr_assert(blob, "%s", blob.error().message().c_str());
  cr_assert(std::ranges::search(*blob, key_of(1).reveal().first(8)).empty());
  auto sealer = sealer_on(*hsm);
  cr_assert(sealer.description().contains("pkcs11:token=one"));
  const auto opened = sealer.unseal(*blob);
  cr_assert(opened, "%s", opened.error().message().c_str());
  cr_assert(*opened == key_of(1));
  cr_assert(sealer.kind() == SealerKind::token);
  cr_assert(sealer.description().starts_with("PKCS#11 token 'one' (SoftHSM"), "%s",
            sealer.description().c_str());
}

Test(token_sealer, another_token_an_erased_one_or_none_is_said_and_changes_nothing) {
  const auto hsm = softhsm();
  const auto blob = *sealer_on(*hsm).seal(key_of(1));
  hsm->add_token("two");
  auto other = TokenSealer({{hsm->place.module, "pkcs11:token=two"}, hsm->pin_file("1234")});
  const auto swapped = other.unseal(blob);
  cr_assert(!swapped && swapped.error().code == Errc::sealed_unavailable);
  cr_assert(swapped.error().detail.contains("it is another token"), "%s", swapped.error().detail.c_str());
  hsm->pull_out();
  const auto absent = sealer_on(*hsm).unseal(blob);
  cr_assert(!absent && absent.error().code == Errc::sealed_unavailable);
  cr_assert(absent.error().detail.contains("is it inserted?"), "%s", absent.error().detail.c_str());
  hsm->put_back();
  cr_assert(*sealer_on(*hsm).unseal(blob) == key_of(1));
  cr_assert(sealer_on(*hsm).discard(blob));
  cr_assert(sealer_on(*hsm).unseal(blob).error().code == Errc::sealed_unavailable);
  cr_assert((*Pkcs11Token::open(hsm->place, hsm->pin))->find_private({"akm starts", ""})->empty());
}

Test(token_sealer, erasing_leaves_nothing_of_it_on_the_token) {
  const auto hsm = softhsm();
  const auto other = *sealer_on(*hsm).seal(key_of(9));  // another daemon's, on the same token
  const auto blob = *sealer_on(*hsm).seal(key_of(1));
  TokenSealer sealer = sealer_on(*hsm);
  cr_assert(sealer.erase({})->empty(), "there is nothing yet");
  const auto gone = sealer.erase(blob);
  cr_assert(gone && gone->size() == 2, "%s", gone.error().message().c_str());
  cr_assert(!sealer.unseal(blob));
  cr_assert(sealer.erase(blob), "twice is no error");
  cr_assert(*sealer_on(*hsm).unseal(other) == key_of(9));
  cr_assert_eq((*Pkcs11Token::open(hsm->place, hsm->pin))->find_private({"akm starts", ""})->size(), 1);
}

Test(token_sealer, a_wrong_pin_is_an_error_of_its_own) {
  const auto hsm = softhsm();
  const auto blob = *sealer_on(*hsm).seal(key_of(1));
  const auto wrong = sealer_on(*hsm, "4321").unseal(blob);
  cr_assert(!wrong && wrong.error().code == Errc::wrong_pin, "it is not tried again by itself");
  cr_assert(wrong.error().detail.contains("restart the daemon"), "%s", wrong.error().detail.c_str());
  cr_assert(!sealer_on(*hsm, "4321").seal(key_of(2)));
  cr_assert(*sealer_on(*hsm).unseal(blob) == key_of(1));
}

Test(token_sealer, damaged_blobs_do_not_open) {
  const auto hsm = softhsm();
  const auto blob = *sealer_on(*hsm).seal(key_of(1));
  const auto whole = *akm::keyring::decode_sealed_blob(blob);
  const auto expect_shut = [&](const akm::keyring::SealedBlob& changed) {
    const auto opened = sealer_on(*hsm).unseal(*akm::keyring::encode_sealed_blob(changed));
    cr_assert(!opened && opened.error().code == Errc::sealed_unavailable);
  };
  for (const auto field : {&akm::keyring::SealedBlob::parent, &akm::keyring::SealedBlob::public_part,
                           &akm::keyring::SealedBlob::private_part}) {
    auto changed = whole;
    (changed.*field).back() ^= 1;
    expect_shut(changed);
    (changed.*field).pop_back();
    expect_shut(changed);
  }
  auto kind = whole;
  kind.kind = SealerKind::software;
  expect_shut(kind);
  auto empty = whole;
  empty.private_part.clear();  // as if the token kept the key itself
  expect_shut(empty);
  cr_assert(!sealer_on(*hsm).unseal({}));
}

Test(token_sealer, incarnations_rise_over_restarts) {
  const auto hsm = softhsm();
  const auto blob = *sealer_on(*hsm).seal(key_of(1));
  cr_assert(sealer_on(*hsm).next_incarnation().error().code == Errc::wrong_state, "not before it is open");
  for (std::uint32_t start = 1; start <= 4; ++start) {
    auto sealer = sealer_on(*hsm);
    cr_assert(sealer.unseal(blob));
    const auto next = sealer.next_incarnation();
    cr_assert(next, "%s", next.error().message().c_str());
    cr_assert_eq(*next, start);
  }
  cr_assert_eq((*Pkcs11Token::open(hsm->place, hsm->pin))->find_private({"akm starts", ""})->size(), 1);
}

Test(token_sealer, a_counter_that_is_gone_or_not_ours_does_not_begin_anew) {
  const auto hsm = softhsm();
  const auto blob = *sealer_on(*hsm).seal(key_of(1));
  auto sealer = sealer_on(*hsm);
  cr_assert(sealer.unseal(blob));
  std::string label;
  {
    const auto token = Pkcs11Token::open(hsm->place, hsm->pin);
    const auto found = (*token)->find_private({"akm starts", ""});
    label = *(*token)->read_label(found->front());
    cr_assert((*token)->create_private({"akm starts", label}, Bytes(20, 0xff)));  // whoever has the PIN only
  }
  cr_assert_eq(*sealer.next_incarnation(), 1, "the false one does not count");
  {
    const auto token = Pkcs11Token::open(hsm->place, hsm->pin);
    const auto found = (*token)->find_private({"akm starts", label});
    cr_assert_eq(found->size(), 1, "and was removed");
    cr_assert((*token)->destroy(found->front()));
  }
  cr_assert(sealer.next_incarnation().error().code == Errc::state_corrupt);
}

Test(token_sealer, a_token_that_can_neither_seal_nor_wrap_keeps_the_key_itself) {
  auto hsm = softhsm();
  auto* const plan = akm::test::faulty_pkcs11(FAULTY_PKCS11);
  cr_assert_not_null(plan);
  hsm->place.module = FAULTY_PKCS11;
  *plan = {};
  plan->without_gcm = plan->without_wrap = true;
  const auto blob = sealer_on(*hsm).seal(key_of(1));
  cr_assert(blob, "%s", blob.error().message().c_str());
  cr_assert(akm::keyring::decode_sealed_blob(*blob)->private_part.empty());
  auto sealer = sealer_on(*hsm);
  cr_assert(*sealer.unseal(*blob) == key_of(1));
  cr_assert(sealer.description().contains("can neither seal nor wrap"));
  cr_assert_eq(*sealer.next_incarnation(), 1);
  cr_assert(sealer.discard(*blob));
  cr_assert(!sealer.unseal(*blob));
  *plan = {};
}

Test(token_sealer, a_token_without_gcm_wraps_the_key) {
  auto hsm = softhsm();
  auto* const plan = akm::test::faulty_pkcs11(FAULTY_PKCS11);
  hsm->place.module = FAULTY_PKCS11;
  *plan = {};
  plan->without_gcm = true;
  const auto blob = sealer_on(*hsm).seal(key_of(1));
  cr_assert(blob, "%s", blob.error().message().c_str());
  auto decoded = *akm::keyring::decode_sealed_blob(*blob);
  cr_assert_eq(decoded.private_part.size(), akm::keyring::kStorageKeyBytes + akm::keyring::kTokenWrapBytes);
  cr_assert(std::ranges::search(*blob, key_of(1).reveal().first(8)).empty());
  auto sealer = sealer_on(*hsm);
  cr_assert(*sealer.unseal(*blob) == key_of(1));
  cr_assert(sealer.description().contains("AES key wrap"), "%s", sealer.description().c_str());
  {
    const auto token = Pkcs11Token::open(hsm->place, hsm->pin);
    cr_assert((*token)->find_private({"akm storage key", ""})->empty(), "it is not on the token itself");
  }
  for (std::size_t at = 0; at < decoded.private_part.size(); ++at) {
    auto changed = decoded;
    changed.private_part[at] ^= 1;
    cr_assert_not(sealer.unseal(*akm::keyring::encode_sealed_blob(changed)).has_value(), "%zu", at);
  }
  cr_assert_eq(sealer.erase(*blob)->size(), 2U);
  cr_assert(!sealer.unseal(*blob));
  *plan = {};
}

// As below, by the calls of wrapping.
Test(token_sealer, any_call_of_wrapping_and_unwrapping_may_fail) {
  auto hsm = softhsm();
  auto* const plan = akm::test::faulty_pkcs11(FAULTY_PKCS11);
  hsm->place.module = FAULTY_PKCS11;
  const akm::test::Pkcs11Plan whole{.without_gcm = true};
  *plan = whole;
  const auto blob = *sealer_on(*hsm).seal(key_of(1));
  for (const Pkcs11Fault fault : {Pkcs11Fault::refuse, Pkcs11Fault::lose, Pkcs11Fault::flip,
                                  Pkcs11Fault::shorten, Pkcs11Fault::absurd_length}) {
    unsigned long n = 1;
    for (bool more = true; more; ++n) {
      *plan = {.fail_at = n, .fault = fault, .answer = CKR_DEVICE_REMOVED, .without_gcm = true};
      const auto opened = sealer_on(*hsm).unseal(blob);
      more = plan->calls >= n;
      cr_assert(!opened || *opened == key_of(1), "call %lu", n);
      *plan = whole;
    }
    cr_assert_gt(n, 8);
    n = 1;
    for (bool more = fault != Pkcs11Fault::absurd_length; more; ++n) {
      *plan = {.fail_at = n, .fault = fault, .answer = CKR_DEVICE_REMOVED, .without_gcm = true};
      const auto sealed = sealer_on(*hsm).seal(key_of(2));
      more = plan->calls >= n;
      *plan = whole;
      if (!sealed) continue;
      const auto opened = sealer_on(*hsm).unseal(*sealed);
      cr_assert(!opened || *opened == key_of(2), "call %lu", n);
      cr_assert(sealer_on(*hsm).discard(*sealed), "call %lu", n);
    }
  }
  cr_assert(*sealer_on(*hsm).unseal(blob) == key_of(1));
  *plan = {};
}

// Every call of a start goes wrong once, in each way: no crash, no other key than the one that was sealed, no
// number twice, and the next start is a good one.
Test(token_sealer, any_call_of_a_start_may_fail) {
  auto hsm = softhsm();
  auto* const plan = akm::test::faulty_pkcs11(FAULTY_PKCS11);
  hsm->place.module = FAULTY_PKCS11;
  *plan = {};
  const auto blob = *sealer_on(*hsm).seal(key_of(1));
  std::uint32_t last = 0;
  for (const Pkcs11Fault fault :
       {Pkcs11Fault::refuse, Pkcs11Fault::lose, Pkcs11Fault::flip, Pkcs11Fault::shorten,
        Pkcs11Fault::absurd_length, Pkcs11Fault::none_found}) {
    unsigned long n = 1;
    for (bool more = true; more; ++n) {
      *plan = {.fail_at = n, .fault = fault, .answer = CKR_DEVICE_REMOVED, .calls = 0};
      auto sealer = sealer_on(*hsm);
      const auto opened = sealer.unseal(blob);
      cr_assert(!opened || *opened == key_of(1), "call %lu", n);
      const auto next = opened ? sealer.next_incarnation() : akm::fail(Errc::wrong_state);
      more = plan->calls >= n;
      if (next) cr_assert_gt(*next, last, "call %lu", n);
      if (next) last = *next;
      *plan = {};
      auto good = sealer_on(*hsm);
      const auto again = good.unseal(blob);
      cr_assert(again && *again == key_of(1), "call %lu: %s", n, again.error().message().c_str());
      const auto number = good.next_incarnation();
      cr_assert(number, "call %lu: %s", n, number.error().message().c_str());
      cr_assert_gt(*number, last);
      last = *number;
    }
    cr_assert_gt(n, 25);
  }
}

// The same of sealing: what is said to be sealed opens.
Test(token_sealer, any_call_of_sealing_may_fail) {
  auto hsm = softhsm();
  auto* const plan = akm::test::faulty_pkcs11(FAULTY_PKCS11);
  hsm->place.module = FAULTY_PKCS11;
  for (const Pkcs11Fault fault :
       {Pkcs11Fault::refuse, Pkcs11Fault::lose, Pkcs11Fault::flip, Pkcs11Fault::shorten}) {
    unsigned long n = 1;
    for (bool more = true; more; ++n) {
      *plan = {.fail_at = n, .fault = fault, .answer = CKR_DEVICE_REMOVED, .calls = 0};
      const auto blob = sealer_on(*hsm).seal(key_of(1));
      more = plan->calls >= n;
      *plan = {};
      if (!blob) continue;
      auto sealer = sealer_on(*hsm);
      const auto opened = sealer.unseal(*blob);
      // What C_Encrypt gave and was altered on its way is found out by opening it, which open_storage_key
      // does.
      cr_assert(!opened || *opened == key_of(1), "call %lu", n);
      cr_assert(opened || fault == Pkcs11Fault::flip, "call %lu: %s", n, opened.error().message().c_str());
      cr_assert(sealer.discard(*blob), "call %lu", n);
    }
    cr_assert_gt(n, 15);
  }
}
