#pragma once
// The one arena of the process. SecretBuffer and, through daemon/crypto/openssl_memory.h, OpenSSL allocate
// here.
#include <cstddef>

namespace akm {

/// Zeroed memory, aligned to 16. Up to 4096 bytes it is in the strongest memory there is (secret_memory()); a
/// larger block of a library is left out of core files but not locked, since a library's large blocks
/// (scrypt's table, file buffers) would use the lock limit up. Null when there is no memory, or when size is
/// 0. Thread-safe.
void* arena_allocate(std::size_t size);
/// As realloc(3), and the old block is wiped.
void* arena_reallocate(void* block, std::size_t size);
/// Wipes and frees; null is allowed. Ends the process when `block` is not a live block.
void arena_free(void* block);
/// For SecretBuffer: as arena_allocate, and strong at every size.
void* arena_allocate_secret(std::size_t size);

struct ArenaUsage {
  std::size_t secret_mapped_bytes = 0;   // counted against RLIMIT_MEMLOCK; resident as touched
  std::size_t library_mapped_bytes = 0;  // large blocks of libraries
  std::size_t live_blocks = 0;
};
ArenaUsage arena_usage();

}  // namespace akm
