// Whether a TPM opens it is tested in tests/unit/keyring/test_tpm_import.cpp.
#include "daemon/crypto/tpm_wrap.h"

#include <criterion/criterion.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "daemon/base/hex.h"
#include "tests/support/seeded_random.h"

using namespace akm;
using namespace akm::crypto;

namespace {

std::vector<std::uint8_t> counted(std::size_t size) {
  std::vector<std::uint8_t> out(size);
  std::iota(out.begin(), out.end(), std::uint8_t{0});
  return out;
}

}  // namespace

// Made with Python's hmac: HMAC-SHA-256(key, 1 || label || 0 || U || V || bits).
Test(tpm_wrap, kdfa_known_answers) {
  std::vector<std::uint8_t> name(34, 0x11);
  name[0] = 0x00;
  name[1] = 0x0b;
  std::array<std::uint8_t, 16> storage{};
  cr_assert(kdfa(counted(32), "STORAGE", name, {}, storage));
  cr_assert_eq(hex(storage), "4b6977df7782a6d0312cc5f537456667");
  std::array<std::uint8_t, 32> integrity{};
  cr_assert(kdfa(counted(32), "INTEGRITY", {}, {}, integrity));
  cr_assert_eq(hex(integrity), "bacf689f634ece301e1f1b15b072d9c87db6a69585db42b1a0cb8f73ebe2692e");
  std::array<std::uint8_t, 33> too_long{};
  cr_assert_eq(kdfa(counted(32), "STORAGE", {}, {}, too_long).error().code, Errc::invalid_argument);
}

Test(tpm_wrap, each_seed_is_another_and_has_its_form) {
  test::SeededRandom random;
  const PublicKey key(EVP_EC_gen("prime256v1"));
  std::array<std::uint8_t, 64> point{};
  cr_assert(p256_point(key, point));
  const TpmKey ecc{{std::span(point).first(32), std::span(point).last(32)}, {}};
  const auto one = share_seed(ecc, SeedUse::identity, random);
  const auto other = share_seed(ecc, SeedUse::identity, random);
  cr_assert(one.has_value() && other.has_value());
  cr_assert_eq(one->seed.size(), 32);
  cr_assert_eq(one->encrypted.size(), 70);
  cr_assert(
      std::ranges::equal(std::span(one->encrypted).first(4), std::array<std::uint8_t, 4>{0, 68, 0, 32}));
  cr_assert_neq(one->encrypted[4], 0, "an X that begins with a zero is drawn anew");
  cr_assert_not(equal_in_constant_time(one->seed.reveal(), other->seed.reveal()));
  std::vector<std::uint8_t> modulus(kRsaBytes, 0xc5);
  const auto rsa = share_seed({{}, modulus}, SeedUse::duplicate, random);
  cr_assert(rsa.has_value());
  cr_assert_eq(rsa->seed.size(), 32);
  cr_assert_eq(rsa->encrypted.size(), 258);
}

Test(tpm_wrap, a_key_that_is_none_is_malformed) {
  test::SeededRandom random;
  const std::vector<std::uint8_t> bytes(32, 1);
  cr_assert_eq(share_seed({{bytes, bytes}, {}}, SeedUse::identity, random).error().code, Errc::malformed);
  cr_assert_eq(share_seed({{}, bytes}, SeedUse::identity, random).error().code, Errc::malformed);
}

Test(tpm_wrap, the_wrapper_depends_on_seed_name_and_content) {
  const SecretBuffer seed = SecretBuffer::copy_of(counted(32));
  const SecretBuffer plain = SecretBuffer::copy_of(counted(34));
  std::vector<std::uint8_t> name(34, 7);
  const auto wrapped = outer_wrap(seed, name, plain);
  cr_assert(wrapped.has_value());
  cr_assert_eq(wrapped->size(), 2 + 32 + 34);
  cr_assert(outer_wrap(seed, name, plain) == *wrapped);
  name[33] ^= 1;
  const auto renamed = outer_wrap(seed, name, plain);
  cr_assert_not(std::ranges::equal(std::span(*renamed).subspan(34), std::span(*wrapped).subspan(34)));
  const auto reseeded = outer_wrap(SecretBuffer(32), name, plain);
  cr_assert_not(std::ranges::equal(std::span(*renamed).subspan(34), std::span(*reseeded).subspan(34)));
}
