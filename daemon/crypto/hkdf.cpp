#include "daemon/crypto/hkdf.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <string>
#include <vector>

#include "daemon/crypto/secret_observer.h"

namespace akm::crypto {
namespace {

using Parts = std::initializer_list<std::span<const std::uint8_t>>;

constexpr std::size_t kMostHashBytes = 48;
constexpr std::size_t kMostBlocks = 255;  // RFC 5869, 2.3
constexpr std::array<std::uint8_t, kMostHashBytes> kNoKey{};

struct MacFree {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
using Mac = std::unique_ptr<EVP_MAC_CTX, MacFree>;

Mac make_mac(const char* digest) {
  static EVP_MAC* const hmac_algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  if (hmac_algorithm == nullptr) return nullptr;
  Mac mac(EVP_MAC_CTX_new(hmac_algorithm));
  if (!mac) return nullptr;
  // OSSL_PARAM wants a writable string but does not write to it.
  std::array<char, 16> name{};
  std::copy_n(digest, std::char_traits<char>::length(digest), name.begin());
  const std::array<OSSL_PARAM, 2> params{
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0), OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac.get(), params.data()) == 1 ? std::move(mac) : nullptr;
}

// One context per thread and hash, whose digest is named once. Null when OpenSSL lacks HMAC.
EVP_MAC_CTX* mac_context(Hash hash) {
  thread_local const Mac sha256 = make_mac("SHA2-256");
  thread_local const Mac sha384 = make_mac("SHA2-384");
  switch (hash) {
    case Hash::sha256:
      return sha256.get();
    case Hash::sha384:
      return sha384.get();
  }
  return nullptr;
}

bool set_key(Hash hash, std::span<const std::uint8_t> key) {
  EVP_MAC_CTX* const mac = mac_context(hash);
  const std::uint8_t* const data =
      key.empty() ? kNoKey.data() : key.data();  // null would mean: keep the old key
  return mac != nullptr && EVP_MAC_init(mac, data, key.size(), nullptr) == 1;
}

// The context is kept, so the key that it held is overwritten by one that is none.
void forget_key(Hash hash) {
  (void)set_key(hash, std::span(kNoKey).first(hash_bytes(hash)));
}

bool update(EVP_MAC_CTX* mac, std::span<const std::uint8_t> part) {
  return part.empty() || EVP_MAC_update(mac, part.data(), part.size()) == 1;
}

bool finish(EVP_MAC_CTX* mac, std::span<std::uint8_t> out) {
  std::size_t length = 0;
  return EVP_MAC_final(mac, out.data(), &length, out.size()) == 1 && length == out.size();
}

// The key stays in the context: the caller forgets or replaces it.
bool compute(Hash hash, std::span<const std::uint8_t> key, Parts parts, std::span<std::uint8_t> out) {
  if (!set_key(hash, key)) return false;
  EVP_MAC_CTX* const mac = mac_context(hash);
  bool ok = true;
  for (const auto part : parts) ok = ok && update(mac, part);
  return ok && finish(mac, out);
}

std::unexpected<Error> hmac_failed() {
  return fail(Errc::crypto_failed, "HMAC");
}

}  // namespace

Result<SecretBuffer> hkdf_extract(Hash hash, std::span<const std::uint8_t> salt, Parts ikm) {
  SecretBuffer prk(hash_bytes(hash));
  AKM_TRY(hmac(hash, salt, ikm, prk.reveal_mutable()));
  observe_secret("prk", prk.reveal());
  return prk;
}

HkdfExpander::HkdfExpander(Hash hash, std::span<const std::uint8_t> prk)
    : hash_(hash), ready_(prk.size() >= hash_bytes(hash) && set_key(hash, prk)) {}

HkdfExpander::HkdfExpander(Hash hash, std::span<const std::uint8_t> salt, Parts ikm,
                           std::span<std::uint8_t> prk)
    : hash_(hash),
      ready_(prk.size() == hash_bytes(hash) && compute(hash, salt, ikm, prk) && set_key(hash, prk)) {
  observe_secret("prk", prk);
}

HkdfExpander::~HkdfExpander() {
  forget_key(hash_);
}

Status HkdfExpander::expand(Parts info, std::span<std::uint8_t> out) {
  const std::size_t block_bytes = hash_bytes(hash_);
  if (!ready_) return hmac_failed();
  if (out.size() > kMostBlocks * block_bytes) return fail(Errc::invalid_argument, "HKDF output is too long");
  EVP_MAC_CTX* const mac = mac_context(hash_);
  std::array<std::uint8_t, kMostHashBytes> last{};  // a block that `out` takes only in part
  std::span<const std::uint8_t> previous;
  std::uint8_t counter = 1;
  bool ok = true;
  for (auto rest = out; ok && !rest.empty(); ++counter) {
    const bool whole = rest.size() >= block_bytes;
    const std::span<std::uint8_t> block =
        whole ? rest.first(block_bytes) : std::span(last).first(block_bytes);
    // No key: the context goes back to the one that it has.
    ok = EVP_MAC_init(mac, nullptr, 0, nullptr) == 1 && update(mac, previous);
    for (const auto part : info) ok = ok && update(mac, part);
    ok = ok && update(mac, std::span(&counter, 1)) && finish(mac, block);
    if (!whole) std::copy_n(block.begin(), rest.size(), rest.begin());
    previous = block;
    rest = rest.subspan(whole ? block_bytes : rest.size());
  }
  wipe(last.data(), last.size());
  if (ok) return {};
  wipe(out.data(), out.size());
  return hmac_failed();
}

Status hkdf_expand(Hash hash, std::span<const std::uint8_t> prk, Parts info, std::span<std::uint8_t> out) {
  return HkdfExpander(hash, prk).expand(info, out);
}

Status hmac(Hash hash, std::span<const std::uint8_t> key, Parts parts, std::span<std::uint8_t> out) {
  if (out.size() != hash_bytes(hash)) return fail(Errc::invalid_argument, "HMAC output length");
  const bool ok = compute(hash, key, parts, out);
  forget_key(hash);
  if (!ok) return hmac_failed();
  return {};
}

Result<SecretBuffer> scrypt(std::span<const std::uint8_t> password, std::span<const std::uint8_t> salt,
                            std::uint64_t n, std::uint32_t r, std::uint32_t p, std::size_t length) {
  if (n < 2 || n > (std::uint64_t{1} << 20) || !std::has_single_bit(n) || r < 1 || r > 16 || p < 1 || p > 4 ||
      length < 1 || length > 1024) {
    return fail(Errc::invalid_argument, "scrypt cost");
  }
  const std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> algorithm(EVP_KDF_fetch(nullptr, "SCRYPT", nullptr),
                                                                    &EVP_KDF_free);
  const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(
      algorithm ? EVP_KDF_CTX_new(algorithm.get()) : nullptr, &EVP_KDF_CTX_free);
  if (!context) return fail(Errc::crypto_failed, "OpenSSL does not have scrypt");
  // OSSL_PARAM takes writable pointers; the password is copied into the arena rather than cast.
  SecretBuffer secret = SecretBuffer::copy_of(password);
  std::vector<std::uint8_t> salt_copy(salt.begin(), salt.end());
  std::uint64_t most_memory = std::uint64_t{128} * r * (n + p) + (std::uint64_t{1} << 20);
  std::uint64_t cost = n;
  const std::array<OSSL_PARAM, 7> params{
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, secret.reveal_mutable().data(),
                                        secret.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt_copy.data(), salt_copy.size()),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &cost),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &most_memory),
      OSSL_PARAM_construct_end()};
  SecretBuffer out(length);
  if (EVP_KDF_derive(context.get(), out.reveal_mutable().data(), out.size(), params.data()) != 1) {
    return fail(Errc::crypto_failed, "scrypt");
  }
  observe_secret("scrypt key", out.reveal());
  return out;
}

}  // namespace akm::crypto
