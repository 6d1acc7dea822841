#include "daemon/crypto/ecdsa.h"

#include <criterion/criterion.h>

#include <string_view>
#include <vector>

#include "daemon/base/hex.h"

using namespace akm;
using namespace akm::crypto;

namespace {

// RFC 6979, A.2.5: P-256 with SHA-256, message "sample".
const std::vector<std::uint8_t> kX =
    *parse_hex("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6");
const std::vector<std::uint8_t> kY =
    *parse_hex("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299");
const std::vector<std::uint8_t> kR =
    *parse_hex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716");
const std::vector<std::uint8_t> kS =
    *parse_hex("f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
const std::vector<std::uint8_t> kMessage{'s', 'a', 'm', 'p', 'l', 'e'};

}  // namespace

Test(ecdsa, the_known_answer_verifies) {
  cr_assert(verify_p256_sha256({kX, kY}, kMessage, {kR, kS}));
}

Test(ecdsa, any_other_byte_is_not_authentic) {
  auto other = kMessage;
  other[0] ^= 1;
  cr_assert_eq(verify_p256_sha256({kX, kY}, other, {kR, kS}).error().code, Errc::not_authentic);
  for (const auto* part : {&kR, &kS}) {
    auto changed = *part;
    changed[31] ^= 1;
    const EcdsaSignature signature = part == &kR ? EcdsaSignature{changed, kS} : EcdsaSignature{kR, changed};
    cr_assert_eq(verify_p256_sha256({kX, kY}, kMessage, signature).error().code, Errc::not_authentic);
  }
  cr_assert_eq(verify_p256_sha256({kX, kY}, kMessage, {{}, {}}).error().code, Errc::not_authentic);
}

Test(ecdsa, what_is_no_point_or_too_long_is_malformed) {
  cr_assert_eq(verify_p256_sha256({kX, kX}, kMessage, {kR, kS}).error().code, Errc::malformed);
  cr_assert_eq(verify_p256_sha256({{}, {}}, kMessage, {kR, kS}).error().code, Errc::malformed);
  auto longer = kR;
  longer.push_back(0);
  cr_assert_eq(verify_p256_sha256({kX, kY}, kMessage, {longer, kS}).error().code, Errc::malformed);
  cr_assert_eq(verify_p256_sha256({longer, kY}, kMessage, {kR, kS}).error().code, Errc::malformed);
}
