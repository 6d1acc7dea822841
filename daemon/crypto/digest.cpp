#include "daemon/crypto/digest.h"

#include <openssl/evp.h>

#include <cstdio>
#include <cstdlib>

namespace akm::crypto {
namespace {

[[noreturn]] void no_sha256() {
  (void)std::fputs("akm: OpenSSL cannot compute SHA-256\n", stderr);
  std::abort();
}

const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA2-256", nullptr);
  if (fetched == nullptr) no_sha256();
  return fetched;
}

struct ContextFree {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, ContextFree>;

Context make_context() {
  Context context(EVP_MD_CTX_new());
  if (!context) no_sha256();
  return context;
}

void start(EVP_MD_CTX* context) {
  if (EVP_DigestInit_ex2(context, sha256_algorithm(), nullptr) != 1) no_sha256();
}

void add(EVP_MD_CTX* context, std::span<const std::uint8_t> part) {
  if (!part.empty() && EVP_DigestUpdate(context, part.data(), part.size()) != 1) no_sha256();
}

Sha256Digest end(EVP_MD_CTX* context) {
  Sha256Digest out{};
  unsigned int length = 0;
  if (EVP_DigestFinal_ex(context, out.data(), &length) != 1 || length != out.size()) no_sha256();
  return out;
}

}  // namespace

Sha256Digest sha256(std::initializer_list<std::span<const std::uint8_t>> parts) {
  thread_local const Context context = make_context();
  start(context.get());
  for (const auto part : parts) add(context.get(), part);
  return end(context.get());
}

struct Sha256::Impl {
  Context context = make_context();
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  start(impl_->context.get());
}
Sha256::~Sha256() = default;

void Sha256::update(std::span<const std::uint8_t> part) {
  add(impl_->context.get(), part);
}

Sha256Digest Sha256::finish() {
  return end(impl_->context.get());
}

}  // namespace akm::crypto
