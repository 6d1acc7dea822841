#include "daemon/io/uring_loop.h"

#include <netinet/in.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include "daemon/base/vector_registers.h"

namespace akm::io {
namespace {

// user_data: tag, slot (socket, watch or datagram), generation.
constexpr std::uint32_t kSlotBits = 24;
static_assert(WatchTable::kWatches < (1U << kSlotBits) && SendQueue::kDatagrams < (1U << kSlotBits));

constexpr std::uint64_t tagged(std::uint8_t tag, std::uint32_t slot, std::uint32_t generation) {
  return std::uint64_t{tag} << 56 | std::uint64_t{slot} << 32 | generation;
}

}  // namespace

UringLoop::UringLoop() {
  receive_header_.msg_namelen = sizeof(sockaddr_in6);
}

Result<std::unique_ptr<Loop>> UringLoop::create() {
  auto loop = std::make_unique<UringLoop>();
  AKM_TRY(loop->ring_.open());
  AKM_TRY(loop->watch_for_resume());
  return loop;
}

Result<io_uring_sqe*> UringLoop::entry(Tag tag, std::uint32_t slot, std::uint32_t generation) {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_.get());
  if (sqe == nullptr) {
    AKM_TRY(submit());
    sqe = io_uring_get_sqe(&ring_.get());
    if (sqe == nullptr) return fail(Errc::io_failed, "io_uring takes no submissions");
  }
  io_uring_sqe_set_data64(sqe, tagged(static_cast<std::uint8_t>(tag), slot, generation));
  return sqe;
}

Status UringLoop::submit() {
  const int result = io_uring_submit(&ring_.get());
  // EBUSY and EAGAIN: completions wait to be taken first, or memory is short for a moment; the entries stay
  // queued.
  if (result < 0 && result != -EINTR && result != -EBUSY && result != -EAGAIN) {
    return fail_errno(Errc::io_failed, "io_uring_submit", -result);
  }
  collect();
  return {};
}

Status UringLoop::arm_socket(SocketId socket) {
  AKM_ASSIGN(io_uring_sqe * sqe, entry(Tag::receive, socket, 0));
  const std::uint64_t user_data = sqe->user_data;
  io_uring_prep_recvmsg_multishot(sqe, sockets_[socket].udp.fd.get(), &receive_header_, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = BufferPool::kGroup;
  sqe->user_data = user_data;
  return {};
}

// One-shot, armed again in the submission that the turn makes anyway: a multishot poll tells each wake-up
// once, and a handler that stops at its budget (BPF ring buffer, sd-bus) would not be called again.
Status UringLoop::arm_poll(std::uint32_t slot, const Watch& watch) {
  AKM_ASSIGN(io_uring_sqe * sqe, entry(Tag::poll, slot, watch.generation));
  const std::uint64_t user_data = sqe->user_data;
  io_uring_prep_poll_add(sqe, watch.fd, watch.events);
  sqe->user_data = user_data;
  return {};
}

Status UringLoop::arm_watch(WatchId id, const Watch& watch) {
  return arm_poll(WatchTable::slot_of(id), watch);
}

void UringLoop::disarm_watch(WatchId id, const Watch& watch) {
  // A failed cancel leaves a request whose completion finds no watch of its generation.
  const auto sqe = entry(Tag::ignored, 0, 0);
  if (!sqe) return;
  io_uring_prep_cancel64(
      *sqe, tagged(static_cast<std::uint8_t>(Tag::poll), WatchTable::slot_of(id), watch.generation), 0);
  (*sqe)->user_data = tagged(static_cast<std::uint8_t>(Tag::ignored), 0, 0);
  // At once: the caller may close the descriptor and open another thing under its number.
  (void)submit();
}

Status UringLoop::rearm_watch(WatchId id, const Watch& before, const Watch& now) {
  disarm_watch(id, before);
  return arm_poll(WatchTable::slot_of(id), now);
}

Status UringLoop::arm_writable(SocketId socket) {
  AKM_ASSIGN(io_uring_sqe * sqe, entry(Tag::writable, socket, 0));
  const std::uint64_t user_data = sqe->user_data;
  io_uring_prep_poll_add(sqe, sockets_[socket].udp.fd.get(), POLLOUT);
  sqe->user_data = user_data;
  return {};
}

Status UringLoop::flush() {
  if (!in_flight_.empty()) {
    AKM_TRY(submit());
    // The kernel has not taken them yet (EBUSY): their headers and bytes must stay where they are.
    if (io_uring_sq_ready(&ring_.get()) != 0) return {};
  }
  if (queue_.empty()) return {};
  std::swap(queue_, in_flight_);
  queue_.clear();
  ++batch_;
  const auto entries = in_flight_.entries();
  if (messages_.size() < entries.size()) messages_.resize(entries.size());
  for (std::uint32_t i = 0; i < entries.size();) {
    const SendQueue::Entry& datagram = entries[i];
    if (sockets_[datagram.socket].blocked) {
      // Fits: it came out of this queue.
      (void)queue_.push(datagram.socket, datagram.to, in_flight_.bytes_of(datagram));
      ++i;
      continue;
    }
    const auto run = next_run(entries.subspan(i));
    SendMessage& message = messages_[i];
    message.fill(in_flight_, run);
    AKM_ASSIGN(io_uring_sqe * sqe, entry(Tag::send, i, batch_));
    const std::uint64_t user_data = sqe->user_data;
    // DONTWAIT: sent or refused within the submission, so that the buffers are free after it.
    io_uring_prep_sendmsg(sqe, sockets_[datagram.socket].udp.fd.get(), &message.header,
                          MSG_DONTWAIT | MSG_NOSIGNAL);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = user_data;
    counters_.datagrams_sent += run.size();  // taken back when they are refused
    i += message.count;
  }
  return {};
}

Status UringLoop::flush_now() {
  AKM_TRY(flush());
  AKM_TRY(submit());
  if (io_uring_sq_ready(&ring_.get()) == 0) in_flight_.clear();
  return {};
}

Status UringLoop::on_send_failure(std::uint32_t batch, std::uint32_t index, std::int32_t result) {
  const bool known = batch == batch_ && index < in_flight_.entries().size();
  if (!known) {
    --counters_.datagrams_sent;
    ++counters_.send_failures;
    return {};
  }
  const auto run = in_flight_.entries().subspan(index, messages_[index].count);
  counters_.datagrams_sent -= run.size();
  refused(in_flight_, run, -result);
  const SocketId socket = run.front().socket;
  if (result != -EAGAIN || std::exchange(sockets_[socket].blocked, true)) return {};
  return arm_writable(socket);
}

// Takes all completions off the ring. Failed sends are settled here, while their datagrams are still there.
void UringLoop::collect() {
  std::vector<Completion> failed_sends;
  io_uring_cqe* cqe = nullptr;
  while (io_uring_peek_cqe(&ring_.get(), &cqe) == 0 && cqe != nullptr) {
    const Completion completion{cqe->user_data, cqe->res, cqe->flags};
    const bool send = static_cast<Tag>(completion.user_data >> 56) == Tag::send;
    (send ? failed_sends : completions_).push_back(completion);
    io_uring_cqe_seen(&ring_.get(), cqe);
  }
  for (const Completion& completion : failed_sends) {
    const auto slot = static_cast<std::uint32_t>(completion.user_data >> 32) & ((1U << kSlotBits) - 1);
    (void)on_send_failure(static_cast<std::uint32_t>(completion.user_data), slot, completion.result);
  }
}

Status UringLoop::wait_and_dispatch(std::optional<Duration> timeout) {
  if (!completions_.empty()) timeout = Duration::zero();
  __kernel_timespec limit{};
  if (timeout) {
    limit.tv_sec = timeout->count() / 1'000'000'000;
    limit.tv_nsec = timeout->count() % 1'000'000'000;
  }
  io_uring_cqe* cqe = nullptr;
  wipe_vector_registers();
  const int result =
      io_uring_submit_and_wait_timeout(&ring_.get(), &cqe, 1, timeout ? &limit : nullptr, nullptr);
  if (result < 0 && result != -ETIME && result != -EINTR && result != -EBUSY && result != -EAGAIN) {
    return fail_errno(Errc::io_failed, "io_uring_enter", -result);
  }
  collect();
  if (io_uring_sq_ready(&ring_.get()) == 0) in_flight_.clear();
  // A handler may submit and so collect: those completions are for the next turn.
  const std::vector<Completion> batch = std::exchange(completions_, {});
  for (const Completion& completion : batch) AKM_TRY(dispatch(completion));
  ring_.buffers().publish();
  // After the buffers are back: a receive that ended for want of one (-ENOBUFS) would end again.
  for (const SocketId socket : std::exchange(receivers_to_arm_, {})) AKM_TRY(arm_socket(socket));
  return {};
}

Status UringLoop::dispatch(const Completion& completion) {
  const auto slot = static_cast<std::uint32_t>(completion.user_data >> 32) & ((1U << kSlotBits) - 1);
  const auto generation = static_cast<std::uint32_t>(completion.user_data);
  switch (static_cast<Tag>(completion.user_data >> 56)) {
    case Tag::ignored:
    case Tag::send:
      return {};
    case Tag::receive:
      return on_receive(slot, completion);
    case Tag::writable:
      sockets_[slot].blocked = false;
      return {};
    case Tag::poll: {
      if (completion.result < 0) return {};  // cancelled
      deliver_event(slot, generation, static_cast<std::uint32_t>(completion.result));
      const Watch* watch = watches_.find_slot(slot, generation);
      return watch == nullptr ? Status{} : arm_poll(slot, *watch);
    }
  }
  return {};
}

Status UringLoop::on_receive(SocketId socket, const Completion& completion) {
  if ((completion.flags & IORING_CQE_F_MORE) == 0) receivers_to_arm_.push_back(socket);
  if ((completion.flags & IORING_CQE_F_BUFFER) != 0) {
    receive_errors_ = 0;
    const auto id = static_cast<std::uint16_t>(completion.flags >> IORING_CQE_BUFFER_SHIFT);
    const auto size = static_cast<std::size_t>(std::max(completion.result, 0));
    const auto buffer = ring_.buffers().filled(id, size);
    io_uring_recvmsg_out* out =
        io_uring_recvmsg_validate(buffer.data(), static_cast<int>(buffer.size()), &receive_header_);
    if (out != nullptr) {
      const std::size_t length =
          io_uring_recvmsg_payload_length(out, static_cast<int>(buffer.size()), &receive_header_);
      auto* payload = static_cast<std::uint8_t*>(io_uring_recvmsg_payload(out, &receive_header_));
      deliver(sockets_[socket], {payload, length}, to_endpoint(io_uring_recvmsg_name(out), out->namelen));
    }
    ring_.buffers().give_back(id);
    return {};
  }
  if (completion.result == -ENOBUFS) {
    ++counters_.buffers_exhausted;
    return {};
  }
  // A network error on the socket passes; one that repeats without end does not.
  constexpr std::uint32_t kErrorsInARow = 100;
  if (completion.result < 0 && ++receive_errors_ > kErrorsInARow) {
    return fail_errno(Errc::io_failed, "receive", -completion.result);
  }
  return {};
}

}  // namespace akm::io
