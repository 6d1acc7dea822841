// A plain program: a library of Criterion's uses OpenSSL before any test runs, which is too late.
#include "daemon/crypto/openssl_memory.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "daemon/base/secret_arena.h"

using namespace akm;

namespace {

int failures = 0;
void check(bool good, const char* what) {
  std::printf("%s: %s\n", good ? "ok" : "FAILED", what);
  failures += good ? 0 : 1;
}

// All that the library makes for itself stays far below the usual lock limit of 8 MiB.
void the_library_itself_is_small() {
  check(OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, nullptr) == 1, "OpenSSL starts");
  EVP_MD* digest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  check(digest != nullptr, "a digest is fetched");
  EVP_MD_free(digest);
  check(arena_usage().secret_mapped_bytes > 0, "OpenSSL allocates in the arena");
  check(arena_usage().secret_mapped_bytes <= std::size_t{1} << 20, "and takes at most 1 MiB of it");
}

void key_schedules_lie_in_the_arena() {
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  const std::size_t before = arena_usage().live_blocks;
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  const std::array<unsigned char, 32> key{1};
  const std::array<unsigned char, 12> nonce{};
  check(EVP_EncryptInit_ex2(context, cipher, key.data(), nonce.data(), nullptr) == 1, "a cipher takes a key");
  check(arena_usage().live_blocks > before, "its schedule is in the arena");
  EVP_CIPHER_CTX_free(context);
  check(arena_usage().live_blocks == before, "and is freed there");
  EVP_CIPHER_free(cipher);
}

void reallocation_works() {
  auto* text = static_cast<char*>(OPENSSL_malloc(4));
  std::memcpy(text, "abc", 4);
  text = static_cast<char*>(OPENSSL_realloc(text, 100'000));
  check(text != nullptr && std::strcmp(text, "abc") == 0, "reallocation keeps the content");
  OPENSSL_clear_free(text, 100'000);
}

// In a child, since it spoils the process.
void too_late_is_said() {
  const pid_t child = fork();
  if (child == 0) {
    OPENSSL_free(OPENSSL_malloc(10));
    const auto late = crypto::use_arena_for_openssl();
    _exit(!late && late.error().code == Errc::wrong_state ? 0 : 1);
  }
  int status = 1;
  check(waitpid(child, &status, 0) == child && status == 0, "after the first use it is refused");
}

}  // namespace

int main() {
  too_late_is_said();
  check(crypto::use_arena_for_openssl().has_value(), "taken before the first use");
  the_library_itself_is_small();
  key_schedules_lie_in_the_arena();
  reallocation_works();
  return failures == 0 ? 0 : 1;
}
