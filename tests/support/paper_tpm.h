#pragma once
// Quotes as a TPM makes them, written by hand and signed by a key of OpenSSL: for tests of who checks them.
// The real thing is in tests/unit/keyring/test_tpm_attestor.cpp.
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace akm::testing {

class PaperTpm {
 public:
  using Bytes = std::vector<std::uint8_t>;
  static constexpr std::uint32_t kAttributes =
      1U << 1 | 1U << 4 | 1U << 5 | 1U << 6 | 1U << 10 | 1U << 16 | 1U << 18;

  PaperTpm() : key_(EVP_EC_gen("prime256v1")) {}
  ~PaperTpm() { EVP_PKEY_free(key_); }
  PaperTpm(const PaperTpm&) = delete;
  PaperTpm& operator=(const PaperTpm&) = delete;

  /// Another machine's.
  void replace() {
    EVP_PKEY_free(key_);
    key_ = EVP_EC_gen("prime256v1");
  }

  // What a test changes.
  std::uint32_t attributes = kAttributes;
  std::uint32_t magic = 0xff544347;
  std::uint16_t type = 0x8018;
  std::uint16_t bank = 0x000b;
  std::array<std::uint8_t, 32> pcr_digest{1, 2, 3};

  /// TPM2B_PUBLIC.
  static Bytes public_area(std::span<const std::uint8_t> x, std::span<const std::uint8_t> y,
                           std::uint32_t attributes = kAttributes) {
    Bytes area;
    number(area, 0x0023, 2);
    number(area, 0x000b, 2);
    number(area, attributes, 4);
    number(area, 0, 2);
    for (const std::uint64_t one : {0x0010U, 0x0018U, 0x000bU, 0x0003U, 0x0010U}) number(area, one, 2);
    sized(area, x);
    sized(area, y);
    Bytes out;
    sized(out, area);
    return out;
  }
  [[nodiscard]] Bytes public_key() const {
    Bytes point(65);
    std::size_t size = 0;
    (void)EVP_PKEY_get_octet_string_param(key_, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &size);
    return public_area(std::span(point).subspan(1, 32), std::span(point).subspan(33, 32), attributes);
  }

  struct Made {
    std::uint32_t magic = 0xff544347;
    std::uint16_t type = 0x8018;
    std::uint16_t bank = 0x000b;
  };
  /// TPMS_ATTEST.
  static Bytes quote_of(std::span<const std::uint8_t> nonce, std::uint32_t pcr_mask,
                        const std::array<std::uint8_t, 32>& pcr_digest, const Made& made) {
    Bytes out;
    number(out, made.magic, 4);
    number(out, made.type, 2);
    sized(out, Bytes(34, 7));
    sized(out, nonce);
    number(out, 99, 8);
    number(out, 5, 4);
    number(out, 6, 4);
    number(out, 1, 1);
    number(out, 0, 8);
    number(out, 1, 4);
    number(out, made.bank, 2);
    number(out, 3, 1);
    for (int octet = 0; octet < 3; ++octet) number(out, pcr_mask >> (8 * octet) & 0xff, 1);
    sized(out, pcr_digest);
    return out;
  }
  [[nodiscard]] Bytes quote(std::span<const std::uint8_t> nonce, std::uint32_t pcr_mask) const {
    return quote_of(nonce, pcr_mask, pcr_digest, {magic, type, bank});
  }
  /// TPMT_SIGNATURE.
  static Bytes signature_of(std::span<const std::uint8_t> r, std::span<const std::uint8_t> s) {
    Bytes out;
    number(out, 0x0018, 2);
    number(out, 0x000b, 2);
    sized(out, r);
    sized(out, s);
    return out;
  }
  [[nodiscard]] Bytes sign(const Bytes& quote) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    std::size_t size = 0;
    (void)EVP_DigestSignInit_ex(context, nullptr, "SHA2-256", nullptr, nullptr, key_, nullptr);
    (void)EVP_DigestSign(context, nullptr, &size, quote.data(), quote.size());
    Bytes der(size);
    (void)EVP_DigestSign(context, der.data(), &size, quote.data(), quote.size());
    EVP_MD_CTX_free(context);
    const unsigned char* at = der.data();
    ECDSA_SIG* parts = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size));
    const Bytes out = signature_of(bytes_of(ECDSA_SIG_get0_r(parts)), bytes_of(ECDSA_SIG_get0_s(parts)));
    ECDSA_SIG_free(parts);
    return out;
  }

 private:
  static void number(Bytes& out, std::uint64_t value, int bytes) {
    while (bytes-- > 0) out.push_back(static_cast<std::uint8_t>(value >> (8 * bytes)));
  }
  static Bytes bytes_of(const BIGNUM* number) {
    Bytes out(static_cast<std::size_t>(BN_num_bytes(number)));
    (void)BN_bn2bin(number, out.data());
    return out;
  }
  static void sized(Bytes& out, std::span<const std::uint8_t> bytes) {
    number(out, bytes.size(), 2);
    out.insert(out.end(), bytes.begin(), bytes.end());
  }

  EVP_PKEY* key_;
};

}  // namespace akm::testing
