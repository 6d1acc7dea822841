#include "daemon/crypto/public_key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <array>

#include "daemon/crypto/owned.h"

namespace akm::crypto {
namespace {

using KeyContext = std::unique_ptr<EVP_PKEY_CTX, With<EVP_PKEY_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, With<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, With<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, With<OSSL_PARAM_free>>;

constexpr std::uint8_t kUncompressed = 0x04;
constexpr unsigned kExponent = 65537;

/// Right-aligned: a TPM may leave leading zeros out.
bool put(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) {
  if (in.size() > out.size()) return false;
  std::ranges::copy(in, out.end() - static_cast<std::ptrdiff_t>(in.size()));
  return true;
}

Result<PublicKey> key_from(const char* type, OSSL_PARAM* parameters, const char* wrong) {
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1) return fail(Errc::crypto_failed, type);
  EVP_PKEY* made = nullptr;
  if (EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
    return fail(Errc::malformed, wrong);
  }
  return PublicKey(made);
}

}  // namespace

void PublicKeyFree::operator()(evp_pkey_st* key) const {
  EVP_PKEY_free(key);
}

Result<PublicKey> load_p256(const P256PublicKey& public_key) {
  std::array<std::uint8_t, 1 + 2 * kP256Bytes> point{kUncompressed};
  const auto coordinates = std::span(point).subspan(1);
  if (!put(public_key.x, coordinates.first(kP256Bytes)) || !put(public_key.y, coordinates.last(kP256Bytes)))
    return fail(Errc::malformed, "a coordinate of the key is too long");
  char group[] = "prime256v1";
  std::array parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      OSSL_PARAM_construct_end()};
  // Refuses a point that is not on the curve.
  return key_from("EC", parameters.data(), "the key is no point of P-256");
}

Status p256_point(const PublicKey& key, std::span<std::uint8_t, 2 * kP256Bytes> out) {
  std::array<std::uint8_t, 1 + 2 * kP256Bytes> point{};
  std::size_t size = 0;
  if (EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(),
                                      &size) != 1 ||
      size != point.size() || point[0] != kUncompressed) {
    return fail(Errc::crypto_failed, "point of a key");
  }
  std::ranges::copy(std::span(point).subspan(1), out.begin());
  return {};
}

Result<PublicKey> load_rsa(std::span<const std::uint8_t> modulus) {
  if (modulus.size() != kRsaBytes || modulus.front() < 0x80 || modulus.back() % 2 == 0)
    return fail(Errc::malformed, "the key is no RSA key of 2048 bits");
  const Number n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!n || !builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_uint(builder.get(), OSSL_PKEY_PARAM_RSA_E, kExponent) != 1) {
    return fail(Errc::crypto_failed, "RSA");
  }
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  if (!parameters) return fail(Errc::crypto_failed, "RSA");
  return key_from("RSA", parameters.get(), "the key is no RSA key");
}

}  // namespace akm::crypto
