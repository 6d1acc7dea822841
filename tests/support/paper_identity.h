#pragma once
// An identity of a TPM that is not there: keys of OpenSSL in public areas as a TPM writes them. For tests of
// who checks them; the real thing is in tests/unit/keyring/test_tpm_identity.cpp.
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <string>

#include "daemon/base/hex.h"
#include "daemon/protocol/node_identity.h"
#include "tests/support/paper_tpm.h"

namespace akm::testing {

inline constexpr std::uint32_t kOwnDecryption = 1U << 1 | 1U << 4 | 1U << 5 | 1U << 16 | 1U << 17;
inline constexpr std::uint32_t kEndorsementAttributes = kOwnDecryption | 1U << 7;
inline constexpr std::uint32_t kStorageAttributes = kOwnDecryption | 1U << 6 | 1U << 10;

class PaperIdentity {
 public:
  using Bytes = std::vector<std::uint8_t>;

  explicit PaperIdentity(bool rsa = false)
      : endorsement_(rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("prime256v1")),
        storage_(EVP_EC_gen("prime256v1")) {}
  PaperIdentity(const PaperIdentity&) = delete;
  PaperIdentity& operator=(const PaperIdentity&) = delete;
  ~PaperIdentity() {
    EVP_PKEY_free(endorsement_);
    EVP_PKEY_free(storage_);
  }

  // What a test changes.
  std::uint32_t endorsement_attributes = kEndorsementAttributes;
  std::uint32_t storage_attributes = kStorageAttributes;
  Bytes endorsement_policy = *parse_hex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa");
  Bytes certificate;
  PaperTpm tpm;

  [[nodiscard]] EVP_PKEY* endorsement_key() const { return endorsement_; }

  /// Signed last, so that it is one whole.
  [[nodiscard]] protocol::NodeIdentity make() const {
    protocol::NodeIdentity out;
    out.endorsement_key = area(endorsement_, endorsement_attributes, endorsement_policy);
    out.endorsement_certificate = certificate;
    out.storage_key = area(storage_, storage_attributes, {});
    out.attestation_key = tpm.public_key();
    const auto name = protocol::tpm_name(out.endorsement_key);
    out.sources = {{"tpm-ek-name", hex(*name)}, {"dmi-product-uuid", "4c4c4544000010"}};
    out.hardware_value = *protocol::hardware_value(out.sources);
    sign(out);
    return out;
  }
  void sign(protocol::NodeIdentity& identity) const {
    identity.quote = tpm.quote(identity.digest(), 0xff);
    identity.signature = tpm.sign(identity.quote);
  }

  /// TPM2B_PUBLIC of a storage key.
  static Bytes area(EVP_PKEY* key, std::uint32_t attributes, const Bytes& policy) {
    const bool rsa = EVP_PKEY_is_a(key, "RSA") == 1;
    Bytes in;
    number(in, rsa ? 0x0001 : 0x0023, 2);
    number(in, 0x000b, 2);
    number(in, attributes, 4);
    sized(in, policy);
    for (const std::uint32_t one : {0x0006U, 128U, 0x0043U, 0x0010U}) number(in, one, 2);
    if (rsa) {
      number(in, 2048, 2);
      number(in, 0, 4);
      BIGNUM* modulus = nullptr;
      (void)EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &modulus);
      Bytes bytes(static_cast<std::size_t>(BN_num_bytes(modulus)));
      (void)BN_bn2bin(modulus, bytes.data());
      BN_free(modulus);
      sized(in, bytes);
    } else {
      number(in, 0x0003, 2);
      number(in, 0x0010, 2);
      Bytes point(65);
      std::size_t size = 0;
      (void)EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &size);
      sized(in, Bytes(point.begin() + 1, point.begin() + 33));
      sized(in, Bytes(point.begin() + 33, point.end()));
    }
    Bytes out;
    sized(out, in);
    return out;
  }

 private:
  static void number(Bytes& out, std::uint64_t value, int bytes) {
    while (bytes-- > 0) out.push_back(static_cast<std::uint8_t>(value >> (8 * bytes)));
  }
  static void sized(Bytes& out, const Bytes& bytes) {
    number(out, bytes.size(), 2);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }

  EVP_PKEY* endorsement_;
  EVP_PKEY* storage_;
};

}  // namespace akm::testing
