#include "daemon/crypto/hkdf.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <string_view>
#include <thread>
#include <vector>

#include "daemon/base/hex.h"

namespace {

using akm::crypto::Hash;
using Bytes = std::vector<std::uint8_t>;

Bytes from_hex(const char* text) {
  return *akm::parse_hex(text);
}
Bytes from_text(std::string_view text) {
  return {text.begin(), text.end()};
}

std::string hkdf(const Bytes& salt, const Bytes& ikm, const Bytes& info, std::size_t length) {
  const auto prk = akm::crypto::hkdf_extract(Hash::sha256, salt, {ikm});
  cr_assert(prk.has_value());
  Bytes out(length);
  cr_assert(akm::crypto::hkdf_expand(Hash::sha256, prk->reveal(), {info}, out).has_value());
  return akm::hex(out);
}

constexpr std::string_view kCase1 =
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";

// RFC 5869, A.1 and A.3 (no salt, no info).
Test(hkdf, known_answers) {
  cr_assert_eq(
      hkdf(from_hex("000102030405060708090a0b0c"), Bytes(22, 0x0b), from_hex("f0f1f2f3f4f5f6f7f8f9"), 42),
      kCase1);
  cr_assert_eq(hkdf({}, Bytes(22, 0x0b), {}, 42),
               "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

// RFC 4231, 4.3.
Test(hkdf, hmac_known_answers) {
  const Bytes key = from_text("Jefe");
  const Bytes first = from_text("what do ya want ");
  const Bytes second = from_text("for nothing?");
  Bytes out(32);
  cr_assert(akm::crypto::hmac(Hash::sha256, key, {first, second}, out).has_value());
  cr_assert_eq(akm::hex(out), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  out.resize(48);
  cr_assert(akm::crypto::hmac(Hash::sha384, key, {first, second}, out).has_value());
  cr_assert_eq(
      akm::hex(out),
      "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649");
}

Test(hkdf, one_expander_gives_the_same_as_single_expansions) {
  for (const Hash hash : {Hash::sha256, Hash::sha384}) {
    const Bytes prk(akm::crypto::hash_bytes(hash), 3);
    const Bytes a = from_text("a");
    const Bytes b = from_text("b");
    Bytes single_a(128);
    Bytes single_b(7);
    cr_assert(akm::crypto::hkdf_expand(hash, prk, {a, b}, single_a).has_value());
    cr_assert(akm::crypto::hkdf_expand(hash, prk, {b}, single_b).has_value());
    akm::crypto::HkdfExpander expander(hash, prk);
    Bytes together_a(128);
    Bytes together_b(7);
    cr_assert(expander.expand({a, b}, together_a).has_value());
    cr_assert(expander.expand({b}, together_b).has_value());
    cr_assert(single_a == together_a);
    cr_assert(single_b == together_b);
  }
}

Test(hkdf, extracting_and_expanding_in_one_is_the_same) {
  for (const Hash hash : {Hash::sha256, Hash::sha384}) {
    const Bytes salt = from_text("salt");
    const Bytes ikm(160, 4);
    const auto prk = akm::crypto::hkdf_extract(hash, salt, {ikm});
    Bytes apart(100);
    cr_assert(akm::crypto::hkdf_expand(hash, prk->reveal(), {salt}, apart).has_value());
    Bytes own_prk(akm::crypto::hash_bytes(hash));
    Bytes together(100);
    cr_assert(akm::crypto::HkdfExpander(hash, salt, {ikm}, own_prk).expand({salt}, together).has_value());
    cr_assert(std::ranges::equal(own_prk, prk->reveal()));
    cr_assert(together == apart);
    Bytes wrong_size(31);
    cr_assert(!akm::crypto::HkdfExpander(hash, salt, {ikm}, wrong_size).expand({salt}, together).has_value());
  }
}

// A shorter output is the beginning of a longer one (RFC 5869, 2.3); every length around the block border.
Test(hkdf, lengths_are_prefixes) {
  const Bytes prk(48, 9);
  Bytes longest(150);
  cr_assert(akm::crypto::hkdf_expand(Hash::sha384, prk, {}, longest).has_value());
  for (std::size_t length = 0; length <= longest.size(); ++length) {
    Bytes out(length);
    cr_assert(akm::crypto::hkdf_expand(Hash::sha384, prk, {}, out).has_value());
    cr_assert(std::equal(out.begin(), out.end(), longest.begin()));
  }
}

Test(hkdf, contexts_belong_to_threads) {
  const auto work = [](bool& right) {
    for (int i = 0; i < 500 && right; ++i) {
      right = hkdf(from_hex("000102030405060708090a0b0c"), Bytes(22, 0x0b), from_hex("f0f1f2f3f4f5f6f7f8f9"),
                   42) == kCase1;
    }
  };
  bool here = true;
  bool there = true;
  std::thread other([&] { work(there); });
  work(here);
  other.join();
  cr_assert(here);
  cr_assert(there);
}

Test(hkdf, wrong_arguments_are_refused) {
  Bytes out(32);
  cr_assert(!akm::crypto::hkdf_expand(Hash::sha256, Bytes(31), {}, out).has_value(),
            "a prk is as long as the hash");
  Bytes too_long(255 * 32 + 1);
  cr_assert(!akm::crypto::hkdf_expand(Hash::sha256, Bytes(32), {}, too_long).has_value());
  Bytes longest(255 * 32);
  cr_assert(akm::crypto::hkdf_expand(Hash::sha256, Bytes(32), {}, longest).has_value());
  Bytes short_mac(31);
  cr_assert(!akm::crypto::hmac(Hash::sha256, Bytes(32), {}, short_mac).has_value());
}

// RFC 7914, 12.
Test(scrypt, known_answers) {
  const auto empty = akm::crypto::scrypt({}, {}, 16, 1, 1, 64);
  cr_assert(empty.has_value());
  cr_assert_eq(akm::hex(empty->reveal()),
               "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
               "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
  const auto slow =
      akm::crypto::scrypt(from_text("pleaseletmein"), from_text("SodiumChloride"), 16384, 8, 1, 64);
  cr_assert(slow.has_value());
  cr_assert_eq(akm::hex(slow->reveal()),
               "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
               "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887");
}

Test(scrypt, costs_beyond_the_bounds_are_refused) {
  cr_assert(!akm::crypto::scrypt({}, {}, 15, 1, 1, 32).has_value(), "not a power of two");
  cr_assert(!akm::crypto::scrypt({}, {}, 1, 1, 1, 32).has_value());
  cr_assert(!akm::crypto::scrypt({}, {}, std::uint64_t{1} << 21, 1, 1, 32).has_value());
  cr_assert(!akm::crypto::scrypt({}, {}, 16, 17, 1, 32).has_value());
  cr_assert(!akm::crypto::scrypt({}, {}, 16, 0, 1, 32).has_value());
  cr_assert(!akm::crypto::scrypt({}, {}, 16, 1, 5, 32).has_value());
  cr_assert(!akm::crypto::scrypt({}, {}, 16, 1, 1, 0).has_value());
}

}  // namespace
