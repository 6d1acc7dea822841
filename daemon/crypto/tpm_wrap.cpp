#include "daemon/crypto/tpm_wrap.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "daemon/base/cursor.h"
#include "daemon/crypto/digest.h"
#include "daemon/crypto/hkdf.h"
#include "daemon/crypto/owned.h"
#include "daemon/crypto/secret_observer.h"

namespace akm::crypto {
namespace {

using KeyContext = std::unique_ptr<EVP_PKEY_CTX, With<EVP_PKEY_CTX_free>>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, With<EVP_CIPHER_CTX_free>>;
using Cipher = std::unique_ptr<EVP_CIPHER, With<EVP_CIPHER_free>>;

constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kSymmetricBytes = 16;
constexpr std::size_t kDigestBytes = 32;
// One ephemeral key in 128 has an X or a shared X that begins with a zero octet, of which TPMs of different
// age think differently; so many in a row do not happen.
constexpr int kTries = 16;

std::string_view label_of(SeedUse use) {
  return use == SeedUse::identity ? "IDENTITY" : "DUPLICATE";
}

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

constexpr std::array<std::uint8_t, 4> big_endian(std::size_t value) {
  return {static_cast<std::uint8_t>(value >> 24), static_cast<std::uint8_t>(value >> 16),
          static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
}

Status agree(const PublicKey& own, const PublicKey& peer, SecretBuffer& shared) {
  const KeyContext context(EVP_PKEY_CTX_new(own.get(), nullptr));
  std::size_t size = shared.size();
  if (!context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer.get()) != 1 ||
      EVP_PKEY_derive(context.get(), shared.reveal_mutable().data(), &size) != 1 || size != shared.size()) {
    return fail(Errc::crypto_failed, "ECDH");
  }
  return {};
}

/// KDFe over one block: SHA-256(counter || Z || label || 0x00 || X of the ephemeral key || X of the TPM's).
SecretBuffer kdfe(const SecretBuffer& shared, SeedUse use, std::span<const std::uint8_t> ephemeral,
                  std::span<const std::uint8_t> peer) {
  constexpr std::array<std::uint8_t, 1> kEnd{0};
  Sha256Digest digest =
      sha256({big_endian(1), shared.reveal(), bytes_of(label_of(use)), std::span(kEnd), ephemeral, peer});
  SecretBuffer out = SecretBuffer::copy_of(digest);
  wipe(digest.data(), digest.size());
  return out;
}

Result<SharedSeed> share_over_ecdh(const P256PublicKey& public_key, SeedUse use) {
  AKM_ASSIGN(const PublicKey peer, load_p256(public_key));
  SecretBuffer shared(kP256Bytes);
  std::array<std::uint8_t, 2 * kP256Bytes> point{};
  for (int tries = 0; point[0] == 0 || shared.reveal()[0] == 0; ++tries) {
    if (tries == kTries) return fail(Errc::crypto_failed, "ephemeral key");
    const PublicKey ephemeral(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "prime256v1"));
    if (!ephemeral) return fail(Errc::crypto_failed, "ephemeral key");
    AKM_TRY(p256_point(ephemeral, point));
    AKM_TRY(agree(ephemeral, peer, shared));
  }
  SharedSeed out;
  const auto ephemeral_x = std::span<const std::uint8_t>(point).first(kP256Bytes);
  out.seed = kdfe(shared, use, ephemeral_x, public_key.x);
  out.encrypted.resize(2 + 2 * (2 + kP256Bytes));
  Writer writer(out.encrypted);
  writer.u16(static_cast<std::uint16_t>(out.encrypted.size() - 2));
  writer.u16(kP256Bytes);
  writer.bytes(ephemeral_x);
  writer.u16(kP256Bytes);
  writer.bytes(std::span<const std::uint8_t>(point).last(kP256Bytes));
  return out;
}

/// OAEP with SHA-256; its label is that of the use with its terminating zero.
Result<SharedSeed> share_over_oaep(std::span<const std::uint8_t> modulus, SeedUse use, RandomSource& random) {
  AKM_ASSIGN(const PublicKey peer, load_rsa(modulus));
  SharedSeed out;
  out.seed = SecretBuffer(kSeedBytes);
  AKM_TRY(random.fill(out.seed.reveal_mutable()));
  const std::string_view label = label_of(use);
  auto* owned = static_cast<unsigned char*>(OPENSSL_zalloc(label.size() + 1));
  if (owned == nullptr) return fail(Errc::crypto_failed, "OAEP");
  std::ranges::copy(label, owned);
  const KeyContext context(EVP_PKEY_CTX_new(peer.get(), nullptr));
  if (!context || EVP_PKEY_encrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md_name(context.get(), "SHA2-256", nullptr) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md_name(context.get(), "SHA2-256", nullptr) != 1 ||
      EVP_PKEY_CTX_set0_rsa_oaep_label(context.get(), owned, static_cast<int>(label.size() + 1)) != 1) {
    OPENSSL_free(owned);
    return fail(Errc::crypto_failed, "OAEP");
  }
  out.encrypted.resize(2 + kRsaBytes);
  Writer(out.encrypted).u16(kRsaBytes);
  std::size_t size = kRsaBytes;
  if (EVP_PKEY_encrypt(context.get(), out.encrypted.data() + 2, &size, out.seed.reveal().data(),
                       out.seed.size()) != 1 ||
      size != kRsaBytes) {
    return fail(Errc::crypto_failed, "OAEP");
  }
  return out;
}

/// AES-128-CFB with a zero IV: the key is used once.
Status encrypt_cfb(const SecretBuffer& key, std::span<const std::uint8_t> plain,
                   std::span<std::uint8_t> out) {
  const Cipher cipher(EVP_CIPHER_fetch(nullptr, "AES-128-CFB", nullptr));
  const CipherContext context(EVP_CIPHER_CTX_new());
  constexpr std::array<std::uint8_t, kSymmetricBytes> kZeros{};
  int length = 0;
  if (!cipher || !context ||
      EVP_EncryptInit_ex2(context.get(), cipher.get(), key.reveal().data(), kZeros.data(), nullptr) != 1 ||
      EVP_EncryptUpdate(context.get(), out.data(), &length, plain.data(), static_cast<int>(plain.size())) !=
          1 ||
      static_cast<std::size_t>(length) != plain.size()) {
    return fail(Errc::crypto_failed, "AES-CFB");
  }
  return {};
}

}  // namespace

Status kdfa(std::span<const std::uint8_t> key, std::string_view label,
            std::span<const std::uint8_t> context_u, std::span<const std::uint8_t> context_v,
            std::span<std::uint8_t> out) {
  if (out.size() > kDigestBytes) return fail(Errc::invalid_argument, "KDFa over one block");
  constexpr std::array<std::uint8_t, 1> kEnd{0};
  SecretBuffer block(kDigestBytes);
  AKM_TRY(hmac(
      Hash::sha256, key,
      {big_endian(1), bytes_of(label), std::span(kEnd), context_u, context_v, big_endian(out.size() * 8)},
      block.reveal_mutable()));
  std::ranges::copy(block.reveal().first(out.size()), out.begin());
  return {};
}

Result<SharedSeed> share_seed(const TpmKey& key, SeedUse use, RandomSource& random) {
  auto shared =
      key.modulus.empty() ? share_over_ecdh(key.point, use) : share_over_oaep(key.modulus, use, random);
  if (shared) observe_secret("seed for a TPM", shared->seed.reveal());
  return shared;
}

Result<std::vector<std::uint8_t>> outer_wrap(const SecretBuffer& seed, std::span<const std::uint8_t> name,
                                             const SecretBuffer& plain) {
  SecretBuffer symmetric(kSymmetricBytes);
  SecretBuffer integrity(kDigestBytes);
  AKM_TRY(kdfa(seed.reveal(), "STORAGE", name, {}, symmetric.reveal_mutable()));
  AKM_TRY(kdfa(seed.reveal(), "INTEGRITY", {}, {}, integrity.reveal_mutable()));
  std::vector<std::uint8_t> out(2 + kDigestBytes + plain.size());
  Writer(out).u16(kDigestBytes);
  const auto cipher_text = std::span(out).subspan(2 + kDigestBytes);
  AKM_TRY(encrypt_cfb(symmetric, plain.reveal(), cipher_text));
  AKM_TRY(
      hmac(Hash::sha256, integrity.reveal(), {cipher_text, name}, std::span(out).subspan(2, kDigestBytes)));
  return out;
}

}  // namespace akm::crypto
