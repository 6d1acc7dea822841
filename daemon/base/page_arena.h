#pragma once
// A slab allocator over chunk_memory. All bookkeeping lies outside of the memory it hands out: no pointers
// among the secrets, and a double free is seen.
#include <array>
#include <cstddef>
#include <cstdint>

#include "daemon/base/secret.h"

namespace akm {

/// Not synchronised; the owner holds a lock. Never destroyed: buffers in static objects outlive main.
/// Growth: 64 KiB first, then by half of what there is, at most 1 MiB at once, up to kMaxBytes; an unmapped
/// guard follows each chunk. Chunks are not given back; their free pages serve every size.
class PageArena {
 public:
  static constexpr std::size_t kPageBytes = 4096;
  static constexpr std::size_t kGranuleBytes =
      64 * 1024;  // the largest page of a Linux system; also the guard
  static constexpr std::size_t kMaxBytes = std::size_t{128} << 20;
  static constexpr std::size_t kSlabMaxBytes = 4096;

  constexpr explicit PageArena(SecretMemory strongest) noexcept
      : strongest_(strongest), weakest_(strongest) {}

  /// Zeroed, aligned to 16; null when kMaxBytes or the system's memory is used up. size > 0.
  void* allocate(std::size_t size);
  /// Wipes the whole block. Ends the process when `block` is not a live block.
  void free(void* block);
  /// Bytes that the block can hold (at least what was asked for).
  [[nodiscard]] std::size_t capacity(const void* block) const;
  /// Changes the size within the capacity: wipes what is beyond `size`.
  void resize_in_place(void* block, std::size_t size);
  [[nodiscard]] bool owns(const void* block) const;
  /// In the child of a fork: all blocks are gone; their addresses stay reserved, so that a stale use faults.
  /// A free of them does nothing.
  void forget_after_fork();

  [[nodiscard]] SecretMemory weakest() const { return weakest_; }
  [[nodiscard]] std::size_t mapped_bytes() const { return mapped_bytes_; }
  [[nodiscard]] std::size_t live_blocks() const { return live_blocks_; }

 private:
  enum class PageState : std::uint8_t { reserved, free, slab, run, continuation };
  static constexpr std::uint32_t kNone = UINT32_MAX;
  struct Page {
    std::array<std::uint64_t, 4> used{};  // slab: one bit for each block
    std::uint32_t next = 0;               // slab: in the list of its class; continuation: its head
    std::uint32_t previous = 0;
    std::uint32_t pages = 0;  // slab, run: length
    std::uint16_t live = 0;   // slab: blocks in use
    std::uint8_t size_class = 0;
    PageState state = PageState::reserved;
  };
  static constexpr std::size_t kPages = kMaxBytes / kPageBytes;
  static constexpr std::size_t kClasses = 22;

  struct Block {
    std::uint32_t head;
    std::uint32_t index;
    std::byte* start;
    std::size_t size;
  };

  void* allocate_small(std::size_t size_class, std::size_t size);
  void* allocate_run(std::size_t size);
  std::uint32_t take_pages(std::uint32_t count);
  std::uint32_t find_pages(std::uint32_t count);
  void release_pages(std::uint32_t head);
  bool reserve();
  bool grow(std::uint32_t pages);
  void link(std::uint32_t head);
  void unlink(std::uint32_t head);
  [[nodiscard]] Block find(const void* block) const;
  [[nodiscard]] std::byte* address(std::uint32_t page) const {
    return base_ + std::size_t{page} * kPageBytes;
  }

  SecretMemory strongest_;
  SecretMemory weakest_;
  std::byte* base_ = nullptr;
  std::byte* lost_ = nullptr;  // reservation of the parent, after a fork
  std::size_t mapped_bytes_ = 0;
  std::size_t live_blocks_ = 0;
  std::uint32_t end_ = 0;                          // first page never mapped
  std::uint32_t lowest_free_ = 0;                  // no free page lies before it
  std::array<std::uint32_t, kClasses> partial_{};  // first slab with a free block, plus one; 0 is none
  Page* pages_ = nullptr;                          // kPages of them, resident as the arena grows
};

}  // namespace akm
