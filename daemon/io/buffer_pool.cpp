#include "daemon/io/buffer_pool.h"

#include <sys/mman.h>

#include <algorithm>

namespace akm::io {
namespace {

constexpr std::size_t kDescriptorsBytes = BufferPool::kBuffers * sizeof(io_uring_buf);
constexpr std::size_t kAllBytes = BufferPool::kBuffers * BufferPool::kBufferBytes;

void* map_pages(std::size_t size) {
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? nullptr : at;
}

}  // namespace

BufferPool::~BufferPool() {
  if (descriptors_ != nullptr) (void)munmap(descriptors_, kDescriptorsBytes);
  if (buffers_ != nullptr) (void)munmap(buffers_, kAllBytes);
}

Status BufferPool::open(io_uring& ring) {
  descriptors_ = static_cast<io_uring_buf_ring*>(map_pages(kDescriptorsBytes));
  buffers_ = static_cast<std::uint8_t*>(map_pages(kAllBytes));
  if (descriptors_ == nullptr || buffers_ == nullptr)
    return fail(Errc::limit_exceeded, "memory for receive buffers");
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(descriptors_);
  registration.ring_entries = kBuffers;
  registration.bgid = kGroup;
  if (const int error = io_uring_register_buf_ring(&ring, &registration, 0); error != 0) {
    return fail_errno(Errc::not_supported, "provided buffer rings (Linux 5.19)", -error);
  }
  for (std::uint16_t id = 0; id < kBuffers; ++id) give_back(id);
  publish();
  return {};
}

std::span<std::uint8_t> BufferPool::filled(std::uint16_t id, std::size_t size) const {
  return {buffers_ + std::size_t{id} * kBufferBytes, std::min(size, kBufferBytes)};
}

void BufferPool::give_back(std::uint16_t id) {
  io_uring_buf_ring_add(descriptors_, buffers_ + std::size_t{id} * kBufferBytes, kBufferBytes, id,
                        io_uring_buf_ring_mask(kBuffers), pending_++);
}

void BufferPool::publish() {
  if (pending_ > 0) io_uring_buf_ring_advance(descriptors_, pending_);
  pending_ = 0;
}

}  // namespace akm::io
