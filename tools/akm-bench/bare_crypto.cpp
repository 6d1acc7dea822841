#include "tools/akm-bench/bare_crypto.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>

#include "tools/akm-bench/measure.h"

namespace akm::bench {
namespace {

constexpr std::array<std::uint8_t, 32> kKey{1};

}  // namespace

BareHmac::BareHmac()
    : mac_(EVP_MAC_fetch(nullptr, "HMAC", nullptr), EVP_MAC_free),
      context_(EVP_MAC_CTX_new(mac_.get()), EVP_MAC_CTX_free) {
  char digest[] = "SHA256";
  const std::array<OSSL_PARAM, 2> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  const std::array<std::uint8_t, 32> key{};
  if (EVP_MAC_init(context_.get(), key.data(), key.size(), parameters.data()) != 1) stop("EVP_MAC_init");
}

std::array<std::uint8_t, 32> BareHmac::operator()(std::span<const std::uint8_t> key,
                                                  std::span<const std::uint8_t> data) {
  std::array<std::uint8_t, 32> out{};
  std::size_t length = 0;
  if (EVP_MAC_init(context_.get(), key.data(), key.size(), nullptr) != 1 ||
      EVP_MAC_update(context_.get(), data.data(), data.size()) != 1 ||
      EVP_MAC_final(context_.get(), out.data(), &length, out.size()) != 1) {
    stop("HMAC");
  }
  return out;
}

void bare_key_step(BareHmac& hmac, std::span<const std::uint8_t, 32> seed,
                   std::span<const std::uint8_t, 160> input, std::size_t sender_keys) {
  const std::array<std::uint8_t, 32> prk = hmac(seed, input);
  std::array<std::uint8_t, 80> info{};
  std::array<std::uint8_t, 32> last{};
  // session, seed, pdv (128 bytes), sender keys (44 bytes each)
  const std::size_t blocks = 1 + 1 + 4 + 2 * sender_keys;
  for (std::size_t i = 0; i < blocks; ++i) {
    info[0] = static_cast<std::uint8_t>(i);
    last = hmac(prk, info);
  }
  keep(last.data());
}

BareGcm::BareGcm()
    : seal_(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free), open_(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free) {
  if (EVP_EncryptInit_ex(seal_.get(), EVP_aes_256_gcm(), nullptr, kKey.data(), nonce_.data()) != 1 ||
      EVP_DecryptInit_ex(open_.get(), EVP_aes_256_gcm(), nullptr, kKey.data(), nonce_.data()) != 1) {
    stop("EVP init");
  }
}

void BareGcm::set_seal_key() {
  if (EVP_EncryptInit_ex(seal_.get(), nullptr, nullptr, kKey.data(), nullptr) != 1) stop("EVP key");
}

void BareGcm::set_open_key() {
  if (EVP_DecryptInit_ex(open_.get(), nullptr, nullptr, kKey.data(), nullptr) != 1) stop("EVP key");
}

void BareGcm::seal(std::span<const std::uint8_t> associated, std::span<const std::uint8_t> plain,
                   std::span<std::uint8_t> out) {
  int length = 0;
  if (EVP_EncryptInit_ex(seal_.get(), nullptr, nullptr, nullptr, nonce_.data()) != 1 ||
      EVP_EncryptUpdate(seal_.get(), nullptr, &length, associated.data(),
                        static_cast<int>(associated.size())) != 1 ||
      EVP_EncryptUpdate(seal_.get(), out.data(), &length, plain.data(), static_cast<int>(plain.size())) !=
          1 ||
      EVP_EncryptFinal_ex(seal_.get(), out.data() + length, &length) != 1 ||
      EVP_CIPHER_CTX_ctrl(seal_.get(), EVP_CTRL_AEAD_GET_TAG, 16, out.data() + plain.size()) != 1) {
    stop("seal");
  }
}

bool BareGcm::open(std::span<const std::uint8_t> associated, std::span<const std::uint8_t> sealed,
                   std::span<std::uint8_t> out) {
  int length = 0;
  const std::size_t size = sealed.size() - 16;
  std::array<std::uint8_t, 16> tag{};
  std::copy(sealed.begin() + static_cast<std::ptrdiff_t>(size), sealed.end(), tag.begin());
  return EVP_DecryptInit_ex(open_.get(), nullptr, nullptr, nullptr, nonce_.data()) == 1 &&
         EVP_DecryptUpdate(open_.get(), nullptr, &length, associated.data(),
                           static_cast<int>(associated.size())) == 1 &&
         EVP_DecryptUpdate(open_.get(), out.data(), &length, sealed.data(), static_cast<int>(size)) == 1 &&
         EVP_CIPHER_CTX_ctrl(open_.get(), EVP_CTRL_AEAD_SET_TAG, 16, tag.data()) == 1 &&
         EVP_DecryptFinal_ex(open_.get(), out.data() + length, &length) == 1;
}

}  // namespace akm::bench
