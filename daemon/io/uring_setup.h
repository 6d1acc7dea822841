#pragma once
// Makes a ring by trying: newest setup flags first, then proves that it does what the loop needs.
#include <liburing.h>

#include "daemon/base/result.h"
#include "daemon/io/buffer_pool.h"

namespace akm::io {

/// Owns an io_uring and its receive buffers; the ring is closed first.
class Ring {
 public:
  static constexpr unsigned kSubmissions = 256;
  static constexpr unsigned kCompletions = 2048;

  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring();

  /// not_supported, with a detail that names the cause: which sysctl, a seccomp filter, the kernel's age, a
  /// limit.
  Status open();
  [[nodiscard]] io_uring& get() { return ring_; }
  [[nodiscard]] BufferPool& buffers() { return buffers_; }

 private:
  Status prove_multishot_receive();

  BufferPool buffers_;
  io_uring ring_{};
  bool open_ = false;
};

}  // namespace akm::io
