#include "daemon/io/uring_setup.h"

#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace akm::io;

Test(uring_setup, a_ring_that_opens_has_proved_multishot_receive_and_is_empty) {
  Ring ring;
  if (const auto opened = ring.open(); !opened) cr_skip_test("io_uring: %s", opened.error().detail.c_str());
  cr_assert_eq(io_uring_sq_ready(&ring.get()), 0);
  cr_assert_eq(io_uring_cq_ready(&ring.get()), 0);
  cr_assert_geq(ring.get().cq.ring_entries, Ring::kCompletions);
}

// After the proof all buffers are the kernel's again: as many datagrams as there are buffers need no new one.
Test(uring_setup, the_proof_leaves_all_buffers) {
  Ring ring;
  if (const auto opened = ring.open(); !opened) cr_skip_test("io_uring: %s", opened.error().detail.c_str());
  std::array<int, 2> pair{};
  cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()), 0);
  int received = 0;
  for (int i = 0; i < BufferPool::kBuffers; ++i) {
    cr_assert_eq(write(pair[1], "x", 1), 1);
    io_uring_sqe* sqe = io_uring_get_sqe(&ring.get());
    io_uring_prep_recv(sqe, pair[0], nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BufferPool::kGroup;
    cr_assert_eq(io_uring_submit_and_wait(&ring.get(), 1), 1);
    io_uring_cqe* cqe = nullptr;
    cr_assert_eq(io_uring_peek_cqe(&ring.get(), &cqe), 0);
    received += cqe->res == 1 ? 1 : 0;
    io_uring_cqe_seen(&ring.get(), cqe);
  }
  cr_assert_eq(received, BufferPool::kBuffers);
  for (const int end : pair) (void)close(end);
}
