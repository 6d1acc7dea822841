#include "daemon/base/secret_arena.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <mutex>

#include "daemon/base/chunk_memory.h"
#include "daemon/base/page_arena.h"
#include "daemon/base/secret.h"

namespace akm {
namespace {

// A block larger than this gets a mapping of its own and gives it back: scrypt asks for tens of MiB, once.
constexpr std::size_t kOwnMappingBytes = std::size_t{256} * 1024;
constexpr std::size_t kOwnMappings = 64;

struct OwnMapping {
  void* base = nullptr;
  std::size_t size = 0;
};

// The lock is held for some tens of nanoseconds; the loop thread and the TPM thread allocate.
constinit std::mutex g_lock;
constinit PageArena g_secrets(SecretMemory::memfd_secret);
constinit PageArena g_library(SecretMemory::unlocked);
constinit std::array<OwnMapping, kOwnMappings> g_own{};

void before_fork() {
  g_lock.lock();
}
void after_fork_in_parent() {
  g_lock.unlock();
}
void after_fork_in_child() {
  g_secrets.forget_after_fork();
  g_library.forget_after_fork();
  g_lock.unlock();
}

// Registered once, by the first allocation.
void watch_forks() {
  static const int registered = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  if (registered != 0) std::abort();
}

void* allocate_own(std::size_t size) {
  const auto slot = std::ranges::find_if(g_own, [](const OwnMapping& m) { return m.base == nullptr; });
  if (slot == g_own.end() || size > SIZE_MAX - PageArena::kGranuleBytes) return nullptr;
  const std::size_t rounded =
      (size + PageArena::kGranuleBytes - 1) / PageArena::kGranuleBytes * PageArena::kGranuleBytes;
  void* base = reserve_addresses(rounded);
  if (base == nullptr) return nullptr;
  if (!map_chunk(base, rounded, SecretMemory::unlocked)) {
    (void)munmap(base, rounded);
    return nullptr;
  }
  *slot = {base, rounded};
  return base;
}

OwnMapping* find_own(const void* block) {
  const auto slot = std::ranges::find_if(g_own, [block](const OwnMapping& m) { return m.base == block; });
  return slot == g_own.end() ? nullptr : &*slot;
}

void* allocate_library(std::size_t size) {
  if (size <= PageArena::kSlabMaxBytes) return g_secrets.allocate(size);
  return size > kOwnMappingBytes ? allocate_own(size) : g_library.allocate(size);
}

void free_locked(void* block) {
  if (OwnMapping* own = find_own(block); own != nullptr) {
    (void)munmap(own->base, own->size);  // the kernel zeroes the pages before anyone else gets them
    *own = {};
    return;
  }
  (g_library.owns(block) ? g_library : g_secrets).free(block);
}

}  // namespace

void* arena_allocate(std::size_t size) {
  if (size == 0) return nullptr;
  watch_forks();
  const std::scoped_lock lock(g_lock);
  return allocate_library(size);
}

void* arena_allocate_secret(std::size_t size) {
  if (size == 0) return nullptr;
  watch_forks();
  const std::scoped_lock lock(g_lock);
  return g_secrets.allocate(size);
}

void* arena_reallocate(void* block, std::size_t size) {
  if (block == nullptr) return arena_allocate(size);
  const std::scoped_lock lock(g_lock);
  if (size == 0) {
    free_locked(block);
    return nullptr;
  }
  const OwnMapping* own = find_own(block);
  PageArena& arena = g_library.owns(block) ? g_library : g_secrets;
  const std::size_t capacity = own != nullptr ? own->size : arena.capacity(block);
  if (own != nullptr && size <= capacity) return block;
  if (size <= capacity && size > capacity / 4) {
    arena.resize_in_place(block, size);
    return block;
  }
  void* moved = allocate_library(size);
  if (moved == nullptr) return nullptr;
  const std::size_t kept = std::min(size, capacity);
  if (own == nullptr) arena.resize_in_place(block, kept);
  std::copy_n(static_cast<const std::uint8_t*>(block), kept, static_cast<std::uint8_t*>(moved));
  free_locked(block);
  return moved;
}

void arena_free(void* block) {
  if (block == nullptr) return;
  const std::scoped_lock lock(g_lock);
  free_locked(block);
}

ArenaUsage arena_usage() {
  const std::scoped_lock lock(g_lock);
  ArenaUsage usage{g_secrets.mapped_bytes(), g_library.mapped_bytes(),
                   g_secrets.live_blocks() + g_library.live_blocks()};
  for (const OwnMapping& own : g_own) {
    usage.library_mapped_bytes += own.size;
    usage.live_blocks += own.base == nullptr ? 0 : 1;
  }
  return usage;
}

SecretMemory secret_memory() {
  // Asked before the first secret (for the log), it must still answer what the first will get.
  arena_free(arena_allocate_secret(1));
  const std::scoped_lock lock(g_lock);
  return g_secrets.weakest();
}

}  // namespace akm
