#include "daemon/protocol/suite.h"

#include <criterion/criterion.h>

namespace {

using namespace akm::protocol;
using akm::crypto::AeadAlgorithm;
using akm::crypto::Hash;

Test(suite, three_are_known) {
  for (const std::uint64_t number : {0ULL, 4ULL, 0x10001ULL, ~0ULL}) {
    cr_assert_eq(parse_suite(number).error().code, akm::Errc::not_supported);
  }
  for (const std::uint64_t number : {1ULL, 2ULL, 3ULL}) cr_assert(parse_suite(number).has_value());
}

Test(suite, stands_for_hash_and_cipher) {
  cr_assert(suite_hash(Suite::hkdf_sha256_aes256gcm) == Hash::sha256);
  cr_assert(suite_hash(Suite::hkdf_sha384_aes256gcm) == Hash::sha384);
  cr_assert(suite_hash(Suite::hkdf_sha256_chacha20poly1305) == Hash::sha256);
  cr_assert(suite_aead(Suite::hkdf_sha256_aes256gcm) == AeadAlgorithm::aes_256_gcm);
  cr_assert(suite_aead(Suite::hkdf_sha384_aes256gcm) == AeadAlgorithm::aes_256_gcm);
  cr_assert(suite_aead(Suite::hkdf_sha256_chacha20poly1305) == AeadAlgorithm::chacha20_poly1305);
  cr_assert_eq(suite_name(Suite::hkdf_sha384_aes256gcm), "hkdf-sha384-aes256gcm");
}

}  // namespace
