#include "daemon/base/secret_arena.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "daemon/base/secret.h"

using namespace akm;

namespace {

bool all(const void* block, std::size_t size, std::uint8_t value) {
  const auto* bytes = static_cast<const std::uint8_t*>(block);
  return std::all_of(bytes, bytes + size, [value](std::uint8_t b) { return b == value; });
}

}  // namespace

// Small blocks of a library are secret, large ones are not locked, very large ones are given back.
Test(secret_arena, blocks_go_where_their_size_belongs) {
  void* small = arena_allocate(4000);
  const std::size_t secret = arena_usage().secret_mapped_bytes;
  cr_assert_gt(secret, 0);
  cr_assert_eq(arena_usage().library_mapped_bytes, 0);
  void* large = arena_allocate(100'000);
  const std::size_t library = arena_usage().library_mapped_bytes;
  cr_assert_gt(library, 0);
  void* huge = arena_allocate(std::size_t{64} << 20);
  cr_assert_not_null(huge);
  cr_assert_geq(arena_usage().library_mapped_bytes, library + (std::size_t{64} << 20));
  std::memset(huge, 1, std::size_t{64} << 20);
  arena_free(huge);
  cr_assert_eq(arena_usage().library_mapped_bytes, library);
  cr_assert_eq(arena_usage().secret_mapped_bytes, secret);
  void* large_secret = arena_allocate_secret(100'000);
  cr_assert_gt(arena_usage().secret_mapped_bytes, secret);
  for (void* block : {small, large, large_secret}) arena_free(block);
  cr_assert_eq(arena_usage().live_blocks, 0);
}

Test(secret_arena, reallocation_keeps_the_content_over_all_sizes) {
  const std::size_t sizes[] = {1, 16, 100, 90, 5'000, 4'097, 300'000, 200'000, 3'000'000, 10'000'000, 50, 1};
  void* block = nullptr;
  std::size_t last = 0;
  for (const std::size_t size : sizes) {
    block = arena_reallocate(block, size);
    cr_assert_not_null(block);
    cr_assert(all(block, std::min(size, last), 0x5a));
    std::memset(block, 0x5a, size);
    last = size;
  }
  cr_assert_eq(arena_usage().live_blocks, 1);
  cr_assert_null(arena_reallocate(block, 0));
  cr_assert_eq(arena_usage().live_blocks, 0);
}

Test(secret_arena, nothing_is_nothing) {
  cr_assert_null(arena_allocate(0));
  cr_assert_null(arena_allocate_secret(0));
  arena_free(nullptr);
}

Test(secret_arena, what_is_too_large_is_refused) {
  cr_assert_null(arena_allocate(SIZE_MAX));
  cr_assert_null(arena_allocate(SIZE_MAX - 100'000));
  void* block = arena_allocate(10);
  std::memset(block, 3, 10);
  cr_assert_null(arena_reallocate(block, SIZE_MAX));
  cr_assert(all(block, 10, 3));  // as realloc: the old block stays
  arena_free(block);
}

Test(secret_arena, own_mappings_are_bounded) {
  std::vector<void*> blocks;
  while (void* block = arena_allocate(1'000'000)) blocks.push_back(block);
  cr_assert_eq(blocks.size(), 64);
  for (void* block : blocks) arena_free(block);
}

Test(secret_arena, foreign_memory_ends_the_process, .signal = SIGABRT) {
  int other = 0;
  arena_free(&other);
}

Test(secret_arena, two_threads) {
  const auto work = [](std::uint8_t value) {
    for (int i = 0; i < 20'000; ++i) {
      const std::size_t size = 1 + static_cast<std::size_t>(i) % 600;
      void* block = arena_allocate(size);
      std::memset(block, value, size);
      cr_assert(all(block, size, value));
      arena_free(block);
    }
  };
  std::thread other(work, std::uint8_t{1});
  work(2);
  other.join();
  cr_assert_eq(arena_usage().live_blocks, 0);
}

// The secrets of an NMM with 16384 nodes: four keys and three schedules of 48 bytes each. It has to fit,
// locked or not.
Test(secret_arena, room_for_the_largest_nmm) {
  std::vector<SecretBuffer> secrets;
  for (int i = 0; i < 16'384; ++i) {
    for (const std::size_t size : {32U, 32U, 32U, 128U, 128U, 128U, 48U, 48U, 48U})
      secrets.emplace_back(size);
  }
  secrets.back().reveal_mutable()[0] = 1;
  cr_assert_leq(arena_usage().secret_mapped_bytes, std::size_t{64} << 20);
}
