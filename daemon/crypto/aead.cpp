#include "daemon/crypto/aead.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <climits>
#include <utility>

#include "daemon/base/secret.h"

namespace akm::crypto {
namespace {

// Fetched once and kept until the process ends: a fetch takes longer than the encryption of a frame.
const EVP_CIPHER* cipher(AeadAlgorithm algorithm) {
  static const EVP_CIPHER* const gcm = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  static const EVP_CIPHER* const chacha = EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr);
  switch (algorithm) {
    case AeadAlgorithm::aes_256_gcm:
      return gcm;
    case AeadAlgorithm::chacha20_poly1305:
      return chacha;
  }
  return nullptr;
}

struct ContextFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }  // wipes the key schedule
};

std::unexpected<Error> crypto_failed(const char* what) {
  return fail(Errc::crypto_failed, what);
}

constexpr std::size_t kMostBytes = INT_MAX - kTagBytes;  // EVP lengths are ints

}  // namespace

struct Aead::Impl {
  std::unique_ptr<EVP_CIPHER_CTX, ContextFree> context;

  // The parts of seal and open that differ only in the direction, which EVP keeps in the context.
  bool start(bool encrypt, std::span<const std::uint8_t, kNonceBytes> nonce,
             std::span<const std::uint8_t> associated) {
    if (EVP_CipherInit_ex(context.get(), nullptr, nullptr, nullptr, nonce.data(), encrypt ? 1 : 0) != 1)
      return false;
    int length = 0;
    return associated.empty() || EVP_CipherUpdate(context.get(), nullptr, &length, associated.data(),
                                                  static_cast<int>(associated.size())) == 1;
  }
  bool crypt(std::span<const std::uint8_t> in, std::uint8_t* out) {
    int length = 0;
    return in.empty() ||
           (EVP_CipherUpdate(context.get(), out, &length, in.data(), static_cast<int>(in.size())) == 1 &&
            static_cast<std::size_t>(length) == in.size());
  }
};

Aead::Aead(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;
Aead::~Aead() = default;

Result<Aead> Aead::create(AeadAlgorithm algorithm, std::span<const std::uint8_t, kKeyBytes> key) {
  const EVP_CIPHER* const fetched = cipher(algorithm);
  if (fetched == nullptr) return crypto_failed("OpenSSL does not have the cipher");
  auto impl = std::make_unique<Impl>();
  impl->context.reset(EVP_CIPHER_CTX_new());
  if (!impl->context ||
      EVP_CipherInit_ex2(impl->context.get(), fetched, key.data(), nullptr, 1, nullptr) != 1) {
    return crypto_failed("cipher context");
  }
  return Aead(std::move(impl));
}

Status Aead::rekey(std::span<const std::uint8_t, kKeyBytes> key) {
  if (EVP_CipherInit_ex2(impl_->context.get(), nullptr, key.data(), nullptr, 1, nullptr) != 1) {
    return crypto_failed("cipher key");
  }
  return {};
}

Status Aead::seal(std::span<const std::uint8_t, kNonceBytes> nonce, std::span<const std::uint8_t> associated,
                  std::span<const std::uint8_t> plain, std::span<std::uint8_t> out) {
  if (plain.size() > kMostBytes || associated.size() > kMostBytes) return fail(Errc::too_large, "to seal");
  if (out.size() != plain.size() + kTagBytes)
    return fail(Errc::invalid_argument, "room for the sealed bytes");
  EVP_CIPHER_CTX* const context = impl_->context.get();
  int length = 0;
  std::uint8_t* const tag = out.data() + plain.size();
  if (!impl_->start(true, nonce, associated) || !impl_->crypt(plain, out.data()) ||
      EVP_CipherFinal_ex(context, tag, &length) != 1 ||
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kTagBytes), tag) != 1) {
    wipe(out.data(), out.size());
    return crypto_failed("sealing");
  }
  return {};
}

Status Aead::open(std::span<const std::uint8_t, kNonceBytes> nonce, std::span<const std::uint8_t> associated,
                  std::span<const std::uint8_t> sealed, std::span<std::uint8_t> out) {
  if (sealed.size() < kTagBytes) return fail(Errc::truncated, "shorter than its tag");
  if (sealed.size() > kMostBytes || associated.size() > kMostBytes) return fail(Errc::too_large, "to open");
  const auto cipher_text = sealed.first(sealed.size() - kTagBytes);
  if (out.size() != cipher_text.size()) return fail(Errc::invalid_argument, "room for the opened bytes");
  EVP_CIPHER_CTX* const context = impl_->context.get();
  // A copy, since EVP wants it writable; it lies behind what an in-place decryption writes, but const is
  // const.
  std::array<std::uint8_t, kTagBytes> tag{};
  std::copy_n(sealed.data() + cipher_text.size(), kTagBytes, tag.begin());
  std::array<std::uint8_t, kTagBytes> rest{};
  int length = 0;
  if (!impl_->start(false, nonce, associated) || !impl_->crypt(cipher_text, out.data()) ||
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(kTagBytes), tag.data()) != 1 ||
      EVP_CipherFinal_ex(context, rest.data(), &length) != 1) {
    wipe(out.data(), out.size());
    return fail(Errc::not_authentic);
  }
  return {};
}

}  // namespace akm::crypto
