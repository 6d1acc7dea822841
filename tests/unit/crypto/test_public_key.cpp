#include "daemon/crypto/public_key.h"

#include <criterion/criterion.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <vector>

using namespace akm;
using namespace akm::crypto;

Test(public_key, a_point_comes_back_and_what_is_none_is_malformed) {
  const PublicKey made(EVP_EC_gen("prime256v1"));
  std::array<std::uint8_t, 64> point{};
  cr_assert(p256_point(made, point));
  const auto x = std::span(point).first(32);
  const auto y = std::span(point).last(32);
  const auto loaded = load_p256({x, y});
  cr_assert(loaded.has_value());
  cr_assert_eq(EVP_PKEY_eq(loaded->get(), made.get()), 1);
  cr_assert_eq(load_p256({x, x}).error().code, Errc::malformed);
  const std::vector<std::uint8_t> longer(33, 1);
  cr_assert_eq(load_p256({longer, y}).error().code, Errc::malformed);
}

Test(public_key, another_curve_has_no_point_of_this_one) {
  const PublicKey made(EVP_EC_gen("secp384r1"));
  std::array<std::uint8_t, 64> point{};
  cr_assert_eq(p256_point(made, point).error().code, Errc::crypto_failed);
}

Test(public_key, a_modulus_has_2048_bits_and_is_odd) {
  std::vector<std::uint8_t> modulus(kRsaBytes, 0xc5);
  cr_assert(load_rsa(modulus).has_value());
  modulus.back() = 2;
  cr_assert_eq(load_rsa(modulus).error().code, Errc::malformed);
  modulus.back() = 1;
  modulus.front() = 0x7f;
  cr_assert_eq(load_rsa(modulus).error().code, Errc::malformed);
  modulus.resize(kRsaBytes - 1);
  cr_assert_eq(load_rsa(modulus).error().code, Errc::malformed);
  cr_assert_eq(load_rsa({}).error().code, Errc::malformed);
}
