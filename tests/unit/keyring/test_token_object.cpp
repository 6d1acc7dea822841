#include "keyring/token_object.h"

#include <criterion/criterion.h>

#include <algorithm>

using akm::Errc;
using akm::keyring::decode_counter;
using akm::keyring::encode_counter;
using akm::keyring::TokenKeyId;
using akm::keyring::TokenObject;
using Bytes = std::vector<std::uint8_t>;

Test(token_object, both_forms_come_back) {
  const Bytes body(17, 7);
  const auto kept = TokenObject{TokenObject::Form::kept, {}, {}, body}.encode();
  const auto sealed = TokenObject{TokenObject::Form::sealed, {1}, {2}, body}.encode();
  cr_assert_eq(sealed.size(), kept.size() + 28);
  const auto one = TokenObject::decode(kept.reveal());
  cr_assert(one && one->form == TokenObject::Form::kept && std::ranges::equal(one->body, body));
  const auto two = TokenObject::decode(sealed.reveal());
  cr_assert(two && two->form == TokenObject::Form::sealed && std::ranges::equal(two->body, body));
  cr_assert(two->key_id == TokenKeyId{1});
  cr_assert_eq(two->nonce[0], 2);
}

Test(token_object, what_it_is_not_is_refused) {
  const auto sealed = TokenObject{TokenObject::Form::sealed, {}, {}, Bytes(17, 7)}.encode();
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    cr_assert(!TokenObject::decode(sealed.reveal().first(size)), "%zu", size);
  }
  Bytes other(sealed.reveal().begin(), sealed.reveal().end());
  other[4] = 2;
  cr_assert(TokenObject::decode(other).error().code == Errc::not_supported);
  other[4] = 1;
  other[5] = 3;
  cr_assert(TokenObject::decode(other).error().code == Errc::malformed);
  other[0] ^= 1;
  cr_assert(TokenObject::decode(other).error().code == Errc::malformed);
}

Test(token_object, a_counter_is_one_of_its_key_and_its_id) {
  const Bytes key(32, 1);
  const auto bytes = encode_counter(0x01020304, key, {5});
  cr_assert(bytes && bytes->size() == akm::keyring::kCounterBytes);
  cr_assert(decode_counter(*bytes, key, {5}) == 0x01020304U);
  cr_assert(!decode_counter(*bytes, key, {6}));
  cr_assert(!decode_counter(*bytes, Bytes(32, 2), {5}));
  for (std::size_t at = 0; at < bytes->size(); ++at) {
    Bytes changed = *bytes;
    changed[at] ^= 1;
    cr_assert(!decode_counter(changed, key, {5}), "octet %zu", at);
  }
  cr_assert(!decode_counter({}, key, {5}));
}
