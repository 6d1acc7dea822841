#include "daemon/io/uring_setup.h"

#include <sys/socket.h>

#include <array>
#include <fstream>
#include <string>

#include "daemon/base/unique_fd.h"

namespace akm::io {
namespace {

// DEFER_TASKRUN (6.1): completions are made when this thread asks for them, without interrupting it;
// SINGLE_ISSUER is its condition. COOP_TASKRUN (5.19): the next best. Then any ring.
constexpr std::array kVariants{IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
                               IORING_SETUP_COOP_TASKRUN, 0U};

std::string why_refused(int error) {
  int disabled = 0;
  std::ifstream("/proc/sys/kernel/io_uring_disabled") >> disabled;
  if (disabled == 2) return "sysctl kernel.io_uring_disabled = 2";
  if (disabled == 1 && error == EPERM) {
    return "sysctl kernel.io_uring_disabled = 1 and this process is not in kernel.io_uring_group";
  }
  if (error == EPERM || error == EACCES) return "a seccomp filter or security module forbids io_uring_setup";
  if (error == ENOSYS)
    return "io_uring_setup is not there: the kernel lacks it, or a seccomp filter hides it";
  return "io_uring_setup";
}

}  // namespace

/// Requests hold their sockets, and the kernel ends those of a closed ring when it finds the time: whoever
/// starts anew would find the address taken. So they are ended before (io_uring_register(2), Linux 6.0).
Ring::~Ring() {
  if (!open_) return;
  io_uring_sync_cancel_reg all{};
  all.fd = -1;
  all.flags = IORING_ASYNC_CANCEL_ANY;
  all.timeout.tv_sec = 1;
  (void)io_uring_register_sync_cancel(&ring_, &all);
  (void)io_uring_get_events(&ring_);  // of DEFER_TASKRUN: what is cancelled is let go of here
  io_uring_queue_exit(&ring_);
}

Status Ring::open() {
  int error = 0;
  for (const unsigned flags : kVariants) {
    io_uring_params params{};
    params.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    params.cq_entries = kCompletions;
    error = -io_uring_queue_init_params(kSubmissions, &ring_, &params);
    if (error != EINVAL) {  // EINVAL: a flag that this kernel does not know
      open_ = error == 0;
      break;
    }
  }
  if (!open_) return fail_errno(Errc::not_supported, why_refused(error), error);
  constexpr unsigned kNeeded =
      IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP;  // waits with a timeout; no lost completions
  if ((ring_.features & kNeeded) != kNeeded)
    return fail(Errc::not_supported, "io_uring is too old (before Linux 5.11)");
  AKM_TRY(buffers_.open(ring_));
  return prove_multishot_receive();
}

// No feature bit tells of multishot recvmsg (6.0): one datagram through a socket pair does.
Status Ring::prove_multishot_receive() {
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
    return fail_errno(Errc::io_failed, "socketpair");
  const UniqueFd receiver(pair[0]);
  const UniqueFd sender(pair[1]);
  if (::write(sender.get(), "x", 1) != 1) return fail_errno(Errc::io_failed, "write");
  msghdr header{};
  io_uring_sqe* receive = io_uring_get_sqe(&ring_);
  io_uring_prep_recvmsg_multishot(receive, receiver.get(), &header, 0);
  receive->flags |= IOSQE_BUFFER_SELECT;
  receive->buf_group = BufferPool::kGroup;
  receive->user_data = 1;
  io_uring_sqe* cancel = io_uring_get_sqe(&ring_);
  io_uring_prep_cancel64(cancel, 1, 0);
  cancel->user_data = 2;
  bool received = false;
  // Ends with the completion of the last of the two; the time limit only guards against a broken kernel.
  for (int left = 2; left > 0;) {
    __kernel_timespec limit{.tv_sec = 2, .tv_nsec = 0};
    io_uring_cqe* cqe = nullptr;
    const int result = io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &limit, nullptr);
    if (result == -EINTR) continue;
    if (result < 0 || cqe == nullptr) return fail_errno(Errc::not_supported, "io_uring_enter", -result);
    if ((cqe->flags & IORING_CQE_F_BUFFER) != 0) {
      received = cqe->res > 0 && (cqe->flags & IORING_CQE_F_MORE) != 0;
      buffers_.give_back(static_cast<std::uint16_t>(cqe->flags >> IORING_CQE_BUFFER_SHIFT));
      buffers_.publish();
    }
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) --left;
    io_uring_cqe_seen(&ring_, cqe);
  }
  if (!received) return fail(Errc::not_supported, "this kernel has no multishot recvmsg (Linux 6.0)");
  return {};
}

}  // namespace akm::io
