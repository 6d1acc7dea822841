#include "daemon/base/page_arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "daemon/base/chunk_memory.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

namespace akm {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kRedzone = 16;
void forbid(const void* from, std::size_t size) {
  __asan_poison_memory_region(from, size);
}
void permit(const void* from, std::size_t size) {
  __asan_unpoison_memory_region(from, size);
}
// OpenSSL's objects point to each other from here.
void scan_for_leaks(const void* from, std::size_t size) {
  __lsan_register_root_region(from, size);
}
#else
constexpr std::size_t kRedzone = 0;
void forbid(const void* /*from*/, std::size_t /*size*/) {}
void permit(const void* /*from*/, std::size_t /*size*/) {}
void scan_for_leaks(const void* /*from*/, std::size_t /*size*/) {}
#endif

constexpr std::array<std::uint16_t, 22> kSizes{16,  32,  48,  64,  80,  96,   128,  160,  192,  256,  320,
                                               384, 448, 512, 640, 768, 1024, 1280, 1632, 2048, 2720, 4096};
constexpr std::size_t kOnePageClasses = 14;  // up to 512 bytes; the others take four pages, to waste little

constexpr std::uint32_t pages_of_class(std::size_t size_class) {
  return size_class < kOnePageClasses ? 1 : 4;
}
constexpr std::uint32_t blocks_of_class(std::size_t size_class) {
  return static_cast<std::uint32_t>(pages_of_class(size_class) * PageArena::kPageBytes / kSizes[size_class]);
}
static_assert(std::ranges::all_of(kSizes, [](std::uint16_t size) { return size % 16 == 0; }));
static_assert(blocks_of_class(0) <= 256, "one bit for each block");

constexpr std::uint32_t pages_for(std::size_t bytes) {
  return static_cast<std::uint32_t>((bytes + PageArena::kPageBytes - 1) / PageArena::kPageBytes);
}

[[noreturn]] void die(std::string_view what) {
  (void)!::write(STDERR_FILENO, what.data(), what.size());
  std::abort();
}

}  // namespace

void* PageArena::allocate(std::size_t size) {
  const std::size_t wanted = size + kRedzone;
  if (wanted > kMaxBytes) return nullptr;
  static_assert(kSizes.size() == kClasses);
  void* block = nullptr;
  if (wanted <= kSlabMaxBytes) {
    const auto found = std::ranges::lower_bound(kSizes, wanted);
    block = allocate_small(static_cast<std::size_t>(found - kSizes.begin()), size);
  } else {
    block = allocate_run(size);
  }
  if (block != nullptr) ++live_blocks_;
  return block;
}

void* PageArena::allocate_small(std::size_t size_class, std::size_t size) {
  if (partial_[size_class] == 0) {
    const std::uint32_t head = take_pages(pages_of_class(size_class));
    if (head == kNone) return nullptr;
    Page& page = pages_[head];
    page.state = PageState::slab;
    page.size_class = static_cast<std::uint8_t>(size_class);
    page.live = 0;
    page.used.fill(0);
    link(head);
  }
  const std::uint32_t head = partial_[size_class] - 1;
  Page& page = pages_[head];
  std::size_t word = 0;
  while (page.used[word] == UINT64_MAX) ++word;  // a listed slab has a free block
  const auto bit = static_cast<std::size_t>(std::countr_one(page.used[word]));
  page.used[word] |= std::uint64_t{1} << bit;
  if (++page.live == blocks_of_class(size_class)) unlink(head);
  std::byte* block = address(head) + (word * 64 + bit) * kSizes[size_class];
  permit(block, size);
  return block;
}

void* PageArena::allocate_run(std::size_t size) {
  const std::uint32_t head = take_pages(pages_for(size + kRedzone));
  if (head == kNone) return nullptr;
  pages_[head].state = PageState::run;
  permit(address(head), size);
  return address(head);
}

std::uint32_t PageArena::find_pages(std::uint32_t count) {
  while (lowest_free_ < end_ && pages_[lowest_free_].state != PageState::free) ++lowest_free_;
  std::uint32_t found = 0;
  for (std::uint32_t page = lowest_free_; page < end_; ++page) {
    found = pages_[page].state == PageState::free ? found + 1 : 0;
    if (found == count) return page + 1 - count;
  }
  return kNone;
}

std::uint32_t PageArena::take_pages(std::uint32_t count) {
  std::uint32_t head = find_pages(count);
  if (head == kNone) {
    if (!grow(count)) return kNone;
    head = find_pages(count);
  }
  for (std::uint32_t page = head + 1; page < head + count; ++page) {
    pages_[page].state = PageState::continuation;
    pages_[page].next = head;
  }
  pages_[head].pages = count;
  return head;
}

void PageArena::release_pages(std::uint32_t head) {
  const std::uint32_t count = pages_[head].pages;
  for (std::uint32_t page = head; page < head + count; ++page) pages_[page].state = PageState::free;
  lowest_free_ = std::min(lowest_free_, head);
}

bool PageArena::reserve() {
  if (pages_ == nullptr) {
    void* pages = mmap(nullptr, kPages * sizeof(Page), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) return false;
    pages_ = static_cast<Page*>(pages);  // zeros are a valid Page: reserved, unused
  }
  if (base_ == nullptr) base_ = static_cast<std::byte*>(reserve_addresses(kMaxBytes));
  return base_ != nullptr;
}

bool PageArena::grow(std::uint32_t pages) {
  if (!reserve()) return false;
  constexpr std::size_t kStepMaxBytes = std::size_t{1} << 20;
  const std::size_t step = std::min(kStepMaxBytes, mapped_bytes_ / 2);
  std::size_t bytes = std::max({kGranuleBytes, step, std::size_t{pages} * kPageBytes});
  bytes = (bytes + kGranuleBytes - 1) / kGranuleBytes * kGranuleBytes;
  // The gap before the next chunk stays unmapped: an overrun faults.
  if (std::size_t{end_} * kPageBytes + bytes + kGranuleBytes > kMaxBytes) return false;
  const auto memory = map_chunk(address(end_), bytes, strongest_);
  if (!memory) return false;
  weakest_ = std::max(weakest_, *memory);
  forbid(address(end_), bytes);
  scan_for_leaks(address(end_), bytes);
  for (std::uint32_t page = end_; page < end_ + pages_for(bytes); ++page)
    pages_[page].state = PageState::free;
  lowest_free_ = std::min(lowest_free_, end_);
  end_ += pages_for(bytes) + pages_for(kGranuleBytes);
  mapped_bytes_ += bytes;
  return true;
}

void PageArena::link(std::uint32_t head) {
  Page& page = pages_[head];
  page.next = partial_[page.size_class];
  page.previous = 0;
  if (page.next != 0) pages_[page.next - 1].previous = head + 1;
  partial_[page.size_class] = head + 1;
}

void PageArena::unlink(std::uint32_t head) {
  const Page& page = pages_[head];
  if (page.previous != 0) {
    pages_[page.previous - 1].next = page.next;
  } else {
    partial_[page.size_class] = page.next;
  }
  if (page.next != 0) pages_[page.next - 1].previous = page.previous;
}

PageArena::Block PageArena::find(const void* block) const {
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(block) - base_);
  auto head = static_cast<std::uint32_t>(offset / kPageBytes);
  if (pages_[head].state == PageState::continuation) head = pages_[head].next;
  const Page& page = pages_[head];
  const std::size_t within = offset - std::size_t{head} * kPageBytes;
  if (page.state == PageState::run && within == 0) {
    return {head, 0, address(head), std::size_t{page.pages} * kPageBytes};
  }
  if (page.state != PageState::slab) die("akm: not a block of the secret arena\n");
  const std::size_t size = kSizes[page.size_class];
  const auto index = static_cast<std::uint32_t>(within / size);
  if (within % size != 0 || (page.used[index / 64] >> (index % 64) & 1) == 0) {
    die("akm: double free in the secret arena\n");
  }
  return {head, index, address(head) + within, size};
}

void PageArena::free(void* block) {
  const auto in = [block](const std::byte* base) {
    return base != nullptr && static_cast<std::byte*>(block) >= base &&
           static_cast<std::byte*>(block) < base + kMaxBytes;
  };
  if (in(lost_)) return;
  if (!in(base_)) die("akm: not a block of the secret arena\n");
  const Block found = find(block);
  permit(found.start, found.size);
  wipe(found.start, found.size);
  forbid(found.start, found.size);
  --live_blocks_;
  Page& page = pages_[found.head];
  if (page.state == PageState::run) return release_pages(found.head);
  const std::uint32_t blocks = blocks_of_class(page.size_class);
  page.used[found.index / 64] &= ~(std::uint64_t{1} << (found.index % 64));
  if (page.live-- == blocks) link(found.head);
  if (page.live == 0) {
    unlink(found.head);
    release_pages(found.head);
  }
}

std::size_t PageArena::capacity(const void* block) const {
  return find(block).size - kRedzone;
}

void PageArena::resize_in_place(void* block, std::size_t size) {
  const Block found = find(block);
  permit(found.start, found.size);
  wipe(found.start + size, found.size - size);
  forbid(found.start + size, found.size - size);
  permit(found.start, size);
}

bool PageArena::owns(const void* block) const {
  const auto* at = static_cast<const std::byte*>(block);
  return (base_ != nullptr && at >= base_ && at < base_ + kMaxBytes) ||
         (lost_ != nullptr && at >= lost_ && at < lost_ + kMaxBytes);
}

void PageArena::forget_after_fork() {
  if (base_ == nullptr) return;
  permit(base_, kMaxBytes);
  (void)mmap(base_, kMaxBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
  std::fill_n(pages_, end_, Page{});
  lost_ = std::exchange(base_, nullptr);
  weakest_ = strongest_;
  mapped_bytes_ = live_blocks_ = 0;
  end_ = lowest_free_ = 0;
  partial_.fill(0);
}

}  // namespace akm
