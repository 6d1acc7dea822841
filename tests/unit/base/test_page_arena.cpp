#include "daemon/base/page_arena.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <map>
#include <random>
#include <vector>

using namespace akm;

namespace {

// Without a destructor of its own: one for each test, as the process has one.
PageArena& arena() {
  static constinit PageArena instance(SecretMemory::memfd_secret);
  return instance;
}

bool all(const void* block, std::size_t size, std::uint8_t value) {
  const auto* bytes = static_cast<const std::uint8_t*>(block);
  return std::all_of(bytes, bytes + size, [value](std::uint8_t b) { return b == value; });
}

}  // namespace

// Against a model: blocks never overlap, are aligned, come as zeros and keep their content.
Test(page_arena, random_use_against_a_model) {
  std::map<std::uint8_t*, std::pair<std::size_t, std::uint8_t>> live;
  std::mt19937 draw(7);
  for (int i = 0; i < 60'000; ++i) {
    if (live.size() < 500 || draw() % 2 == 0) {
      const std::size_t size = 1 + draw() % (draw() % 20 == 0 ? 50'000 : 700);
      auto* block = static_cast<std::uint8_t*>(arena().allocate(size));
      cr_assert_not_null(block);
      cr_assert_eq(reinterpret_cast<std::uintptr_t>(block) % 16, 0);
      cr_assert(all(block, size, 0));
      cr_assert_geq(arena().capacity(block), size);
      const auto after = live.lower_bound(block);
      cr_assert(after == live.end() || block + size <= after->first);
      cr_assert(after == live.begin() || std::prev(after)->first + std::prev(after)->second.first <= block);
      const auto value = static_cast<std::uint8_t>(draw());
      std::memset(block, value, size);
      live[block] = {size, value};
    } else {
      auto it = live.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(draw() % live.size()));
      cr_assert(all(it->first, it->second.first, it->second.second));
      arena().free(it->first);
      live.erase(it);
    }
  }
  cr_assert_eq(arena().live_blocks(), live.size());
  for (const auto& [block, what] : live) arena().free(block);
  cr_assert_eq(arena().live_blocks(), 0);
}

// Pages go from one size to another, so that use in waves does not grow the arena.
Test(page_arena, freed_pages_serve_other_sizes) {
  std::vector<void*> blocks;
  const auto fill = [&](std::size_t size) {
    for (std::size_t used = 0; used < 200'000; used += size) blocks.push_back(arena().allocate(size));
    for (void* block : blocks) arena().free(block);
    blocks.clear();
  };
  fill(32);
  const std::size_t mapped = arena().mapped_bytes();
  for (const std::size_t size : {48U, 128U, 500U, 600U, 1000U, 3000U, 4000U}) fill(size);
  cr_assert_leq(arena().mapped_bytes(), 3 * mapped);  // rounding of the sizes, not a sum over them
}

Test(page_arena, growth_begins_small_and_ends_at_the_maximum) {
  cr_assert_eq(arena().mapped_bytes(), 0);
  cr_assert_not_null(arena().allocate(1));
  cr_assert_eq(arena().mapped_bytes(), PageArena::kGranuleBytes);
  std::size_t blocks = 1;
  while (arena().allocate(1 << 20) != nullptr) ++blocks;
  cr_assert_leq(arena().mapped_bytes(), PageArena::kMaxBytes);
  cr_assert_geq(blocks, 100);
  cr_assert_null(arena().allocate(PageArena::kMaxBytes + 1));
  cr_assert_null(arena().allocate(SIZE_MAX - 64));
}

Test(page_arena, resizing_in_place_wipes_the_rest) {
  void* block = arena().allocate(40);
  std::memset(block, 7, 40);
  arena().resize_in_place(block, 10);
  arena().resize_in_place(block, 40);
  cr_assert(all(block, 10, 7));
  cr_assert(all(static_cast<std::uint8_t*>(block) + 10, 30, 0));
}

Test(page_arena, knows_its_own_blocks) {
  int other = 0;
  void* block = arena().allocate(10);
  cr_assert(arena().owns(block));
  cr_assert(!arena().owns(&other));
}

Test(page_arena, double_free_ends_the_process, .signal = SIGABRT) {
  (void)arena().allocate(32);
  void* block = arena().allocate(32);
  arena().free(block);
  arena().free(block);
}

Test(page_arena, double_free_of_a_large_block_ends_the_process, .signal = SIGABRT) {
  void* block = arena().allocate(10'000);
  arena().free(block);
  arena().free(block);
}

Test(page_arena, free_of_the_inside_of_a_block_ends_the_process, .signal = SIGABRT) {
  arena().free(static_cast<std::uint8_t*>(arena().allocate(64)) + 16);
}

Test(page_arena, free_of_foreign_memory_ends_the_process, .signal = SIGABRT) {
  int other = 0;
  (void)arena().allocate(1);
  arena().free(&other);
}

#if !defined(__SANITIZE_ADDRESS__)
Test(page_arena, an_overrun_of_a_chunk_faults, .signal = SIGSEGV) {
  auto* last = static_cast<volatile std::uint8_t*>(arena().allocate(60'000));
  last[PageArena::kGranuleBytes] = 1;
}
#endif

Test(page_arena, after_a_fork_it_is_empty_and_usable) {
  void* old = arena().allocate(100);
  arena().forget_after_fork();
  cr_assert_eq(arena().live_blocks(), 0);
  cr_assert(arena().owns(old));
  arena().free(old);  // nothing
  void* block = arena().allocate(100);
  cr_assert(all(block, 100, 0));
  cr_assert_neq(block, old);
  arena().free(block);
}
