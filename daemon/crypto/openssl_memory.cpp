#include "daemon/crypto/openssl_memory.h"

#include <openssl/crypto.h>

#include "daemon/base/secret_arena.h"

namespace akm::crypto {
namespace {

// OpenSSL tells where it allocates; only its debugging needs that.
void* allocate(std::size_t size, const char* /*file*/, int /*line*/) {
  return arena_allocate(size);
}
void* reallocate(void* block, std::size_t size, const char* /*file*/, int /*line*/) {
  return arena_reallocate(block, size);
}
void release(void* block, const char* /*file*/, int /*line*/) {
  arena_free(block);
}

}  // namespace

Status use_arena_for_openssl() {
  // Refused once OpenSSL has allocated anything: a block would be freed where it does not come from.
  if (CRYPTO_set_mem_functions(allocate, reallocate, release) != 1) {
    return fail(Errc::wrong_state, "OpenSSL was used before use_arena_for_openssl()");
  }
  return {};
}

}  // namespace akm::crypto
