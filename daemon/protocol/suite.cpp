#include "daemon/protocol/suite.h"

namespace akm::protocol {

Result<Suite> parse_suite(std::uint64_t number) {
  if (number < 1 || number > 3) return fail(Errc::not_supported, "suite " + std::to_string(number));
  return static_cast<Suite>(number);
}

crypto::Hash suite_hash(Suite suite) {
  switch (suite) {
    case Suite::hkdf_sha384_aes256gcm:
      return crypto::Hash::sha384;
    case Suite::hkdf_sha256_aes256gcm:
    case Suite::hkdf_sha256_chacha20poly1305:
      break;
  }
  return crypto::Hash::sha256;
}

crypto::AeadAlgorithm suite_aead(Suite suite) {
  switch (suite) {
    case Suite::hkdf_sha256_chacha20poly1305:
      return crypto::AeadAlgorithm::chacha20_poly1305;
    case Suite::hkdf_sha256_aes256gcm:
    case Suite::hkdf_sha384_aes256gcm:
      break;
  }
  return crypto::AeadAlgorithm::aes_256_gcm;
}

std::string_view suite_name(Suite suite) {
  switch (suite) {
    case Suite::hkdf_sha256_aes256gcm:
      return "hkdf-sha256-aes256gcm";
    case Suite::hkdf_sha384_aes256gcm:
      return "hkdf-sha384-aes256gcm";
    case Suite::hkdf_sha256_chacha20poly1305:
      return "hkdf-sha256-chacha20poly1305";
  }
  return "unknown";
}

}  // namespace akm::protocol
