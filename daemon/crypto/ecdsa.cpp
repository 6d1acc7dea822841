#include "daemon/crypto/ecdsa.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "daemon/crypto/owned.h"
#include "daemon/crypto/public_key.h"

namespace akm::crypto {
namespace {

using DigestContext = std::unique_ptr<EVP_MD_CTX, With<EVP_MD_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, With<BN_free>>;
using Memory = std::unique_ptr<BIO, With<BIO_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, With<ECDSA_SIG_free>>;

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
  const PublicKey key(PEM_read_bio_PUBKEY(text.get(), nullptr, nullptr, nullptr));
  std::array<char, 32> group{};
  const bool is_p256 = key && EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), nullptr) == 1 &&
                       std::string_view(group.data()) == "prime256v1";
  P256Pair out;
  if (!is_p256 || !p256_point(key, out))
    return fail(Errc::malformed, "not the public key of an ECDSA key on P-256, in PEM");
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
  AKM_ASSIGN(const PublicKey loaded, load_p256(key));
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
