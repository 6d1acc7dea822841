#include "daemon/io/buffer_pool.h"

#include <criterion/criterion.h>

#include "daemon/io/uring_setup.h"

using namespace akm::io;

Test(buffer_pool, buffers_lie_apart_and_are_bounded) {
  Ring ring;
  if (const auto opened = ring.open(); !opened) cr_skip_test("io_uring: %s", opened.error().detail.c_str());
  const auto first = ring.buffers().filled(0, BufferPool::kBufferBytes + 100);
  const auto last = ring.buffers().filled(BufferPool::kBuffers - 1, 10);
  cr_assert_eq(first.size(), BufferPool::kBufferBytes);
  cr_assert_eq(last.size(), 10);
  cr_assert_eq(last.data() - first.data(), (BufferPool::kBuffers - 1) * BufferPool::kBufferBytes);
  last[9] = 1;  // writable up to its end
}

Test(buffer_pool, refused_where_there_is_no_ring) {
  io_uring none{};
  none.ring_fd = none.enter_ring_fd = -1;
  BufferPool pool;
  cr_assert(pool.open(none).error().code == akm::Errc::not_supported);
}
