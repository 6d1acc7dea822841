#pragma once
// Receive buffers that the kernel picks from by itself (io_uring provided buffer ring).
#include <liburing.h>

#include <cstdint>
#include <span>

#include "daemon/base/result.h"

namespace akm::io {

class BufferPool {
 public:
  static constexpr std::uint16_t kBuffers = 256;  // a power of two; 512 KiB, resident as used
  static constexpr std::size_t kBufferBytes = 2048;
  static constexpr int kGroup = 0;

  BufferPool() = default;
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  /// Registers all buffers with `ring`, which must be closed before the pool goes. not_supported (before
  /// Linux 5.19), limit_exceeded (memory).
  Status open(io_uring& ring);
  /// The first `size` bytes of a buffer that the kernel filled.
  [[nodiscard]] std::span<std::uint8_t> filled(std::uint16_t id, std::size_t size) const;
  /// Gives a buffer back; the kernel sees it after publish().
  void give_back(std::uint16_t id);
  void publish();

 private:
  io_uring_buf_ring* descriptors_ = nullptr;
  std::uint8_t* buffers_ = nullptr;
  int pending_ = 0;
};

}  // namespace akm::io
