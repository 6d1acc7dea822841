#include "daemon/crypto/ecdsa.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

namespace akm::crypto {
namespace {

template <auto Free>
struct With {
  void operator()(auto* object) const { Free(object); }
};
using Key = std::unique_ptr<EVP_PKEY, With<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, With<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, With<EVP_MD_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, With<BN_free>>;
using Memory = std::unique_ptr<BIO, With<BIO_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, With<ECDSA_SIG_free>>;

constexpr std::uint8_t kUncompressed = 0x04;

/// Right-aligned: a TPM may leave leading zeros out.
bool put(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) {
  if (in.size() > out.size()) return false;
  std::ranges::copy(in, out.end() - static_cast<std::ptrdiff_t>(in.size()));
  return true;
}

Result<Key> load(const P256PublicKey& public_key) {
  std::array<std::uint8_t, 1 + 2 * kP256Bytes> point{kUncompressed};
  const auto coordinates = std::span(point).subspan(1);
  if (!put(public_key.x, coordinates.first(kP256Bytes)) || !put(public_key.y, coordinates.last(kP256Bytes)))
    return fail(Errc::malformed, "a coordinate of the key is too long");
  char group[] = "prime256v1";
  std::array parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      OSSL_PARAM_construct_end()};
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1) return fail(Errc::crypto_failed, "EC");
  EVP_PKEY* made = nullptr;
  // Refuses a point that is not on the curve.
  if (EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.data()) != 1) {
    return fail(Errc::malformed, "the key is no point of P-256");
  }
  return Key(made);
}

Result<std::vector<std::uint8_t>> der(const EcdsaSignature& parts) {
  if (parts.r.size() > kP256Bytes || parts.s.size() > kP256Bytes)
    return fail(Errc::malformed, "a part of the signature is too long");
  Number r(BN_bin2bn(parts.r.data(), static_cast<int>(parts.r.size()), nullptr));
  Number s(BN_bin2bn(parts.s.data(), static_cast<int>(parts.s.size()), nullptr));
  const Signature signature(ECDSA_SIG_new());
  if (!r || !s || !signature || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1)
    return fail(Errc::crypto_failed, "ECDSA signature");
  (void)r.release();  // the signature owns them now
  (void)s.release();
  unsigned char* bytes = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &bytes);
  if (size <= 0) return fail(Errc::crypto_failed, "ECDSA signature");
  std::vector<std::uint8_t> out(bytes, bytes + size);
  OPENSSL_free(bytes);
  return out;
}

}  // namespace

Result<P256Pair> p256_key_of_pem(std::string_view pem) {
  const Memory text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!text) return fail(Errc::crypto_failed, "BIO");
  const Key key(PEM_read_bio_PUBKEY(text.get(), nullptr, nullptr, nullptr));
  std::array<char, 32> group{};
  std::array<std::uint8_t, 1 + 2 * kP256Bytes> point{};
  std::size_t size = 0;
  const bool is_p256 = key && EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), nullptr) == 1 &&
                       std::string_view(group.data()) == "prime256v1" &&
                       EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                                       point.size(), &size) == 1 &&
                       size == point.size() && point[0] == kUncompressed;
  if (!is_p256) return fail(Errc::malformed, "not the public key of an ECDSA key on P-256, in PEM");
  P256Pair out;
  std::ranges::copy(std::span(point).subspan(1), out.begin());
  return out;
}

Result<P256Pair> ecdsa_parts_of_der(std::span<const std::uint8_t> der) {
  const unsigned char* at = der.data();
  const Signature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  P256Pair out;
  constexpr int kBytes = static_cast<int>(kP256Bytes);
  if (!signature || at != der.data() + der.size() ||
      BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out.data(), kBytes) != kBytes ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out.data() + kBytes, kBytes) != kBytes) {
    return fail(Errc::malformed, "not an ECDSA signature of P-256 in DER");
  }
  return out;
}

Status verify_p256_sha256(const P256PublicKey& key, std::span<const std::uint8_t> message,
                          const EcdsaSignature& signature) {
  AKM_ASSIGN(const Key loaded, load(key));
  AKM_ASSIGN(const std::vector<std::uint8_t> encoded, der(signature));
  const DigestContext context(EVP_MD_CTX_new());
  if (!context || EVP_DigestVerifyInit_ex(context.get(), nullptr, "SHA2-256", nullptr, nullptr, loaded.get(),
                                          nullptr) != 1) {
    return fail(Errc::crypto_failed, "ECDSA");
  }
  const int valid =
      EVP_DigestVerify(context.get(), encoded.data(), encoded.size(), message.data(), message.size());
  if (valid != 1) return fail(Errc::not_authentic, "the signature is not of this key over these bytes");
  return {};
}

}  // namespace akm::crypto
