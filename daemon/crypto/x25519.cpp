#include "daemon/crypto/x25519.h"

#include <openssl/evp.h>

#include <memory>

namespace akm::crypto {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;

Result<Key> load(const X25519PrivateKey& key) {
  Key loaded(EVP_PKEY_new_raw_private_key_ex(nullptr, "X25519", nullptr, key.reveal().data(), kX25519Bytes));
  if (!loaded) return fail(Errc::crypto_failed, "X25519");
  return loaded;
}

}  // namespace

Result<X25519PublicKey> x25519_public(const X25519PrivateKey& key) {
  AKM_ASSIGN(const Key loaded, load(key));
  X25519PublicKey out{};
  std::size_t size = out.size();
  if (EVP_PKEY_get_raw_public_key(loaded.get(), out.data(), &size) != 1 || size != out.size())
    return fail(Errc::crypto_failed, "X25519");
  return out;
}

Result<SecretBytes<kX25519Bytes>> x25519(const X25519PrivateKey& key, const X25519PublicKey& peer) {
  AKM_ASSIGN(const Key own, load(key));
  const Key other(EVP_PKEY_new_raw_public_key_ex(nullptr, "X25519", nullptr, peer.data(), peer.size()));
  const std::unique_ptr<EVP_PKEY_CTX, Free> context(EVP_PKEY_CTX_new_from_pkey(nullptr, own.get(), nullptr));
  if (!other || !context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), other.get()) != 1) {
    return fail(Errc::crypto_failed, "X25519");
  }
  SecretBytes<kX25519Bytes> shared;
  std::size_t size = kX25519Bytes;
  // OpenSSL refuses the all-zero result.
  if (EVP_PKEY_derive(context.get(), shared.reveal_mutable().data(), &size) != 1 || size != kX25519Bytes)
    return fail(Errc::not_authentic, "the peer's key is none");
  return shared;
}

}  // namespace akm::crypto
