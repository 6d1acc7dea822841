#include "daemon/io/epoll_loop.h"

#include <algorithm>
#include <utility>

#include "daemon/base/vector_registers.h"
#include "daemon/io/send_message.h"

namespace akm::io {
namespace {

// epoll data: a bit that tells sockets from watches, the slot, the generation.
constexpr std::uint64_t kSocketBit = std::uint64_t{1} << 63;

std::uint64_t watch_data(Loop::WatchId id, const Watch& watch) {
  return std::uint64_t{WatchTable::slot_of(id)} << 32 | watch.generation;
}

}  // namespace

Result<std::unique_ptr<Loop>> EpollLoop::create() {
  auto loop = std::make_unique<EpollLoop>();
  loop->epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!loop->epoll_) return fail_errno(Errc::io_failed, "epoll_create1");
  AKM_TRY(loop->watch_for_resume());
  return loop;
}

Status EpollLoop::control(int operation, int fd, std::uint32_t events, std::uint64_t data, const char* what) {
  epoll_event event{};
  event.events = events;  // poll(2) and epoll(7) share the values of the bits in use
  event.data.u64 = data;
  if (epoll_ctl(epoll_.get(), operation, fd, &event) != 0) return fail_errno(Errc::io_failed, what);
  return {};
}

Status EpollLoop::arm_socket(SocketId socket) {
  return control(EPOLL_CTL_ADD, sockets_[socket].udp.fd.get(), EPOLLIN, kSocketBit | socket, "epoll_ctl");
}

Status EpollLoop::arm_watch(WatchId id, const Watch& watch) {
  return control(EPOLL_CTL_ADD, watch.fd, watch.events, watch_data(id, watch), "epoll_ctl");
}

void EpollLoop::disarm_watch(WatchId /*id*/, const Watch& watch) {
  (void)control(EPOLL_CTL_DEL, watch.fd, 0, 0, "epoll_ctl");  // a closed descriptor left by itself
}

Status EpollLoop::rearm_watch(WatchId id, const Watch& /*before*/, const Watch& now) {
  return control(EPOLL_CTL_MOD, now.fd, now.events, watch_data(id, now), "epoll_ctl");
}

Status EpollLoop::set_blocked(SocketId socket, bool blocked) {
  sockets_[socket].blocked = blocked;
  const std::uint32_t events = blocked ? std::uint32_t{EPOLLIN} | EPOLLOUT : std::uint32_t{EPOLLIN};
  return control(EPOLL_CTL_MOD, sockets_[socket].udp.fd.get(), events, kSocketBit | socket, "epoll_ctl");
}

Status EpollLoop::flush() {
  if (queue_.empty()) return {};
  std::swap(queue_, leaving_);
  queue_.clear();
  auto rest = leaving_.entries();
  while (!rest.empty()) {
    const SocketId socket = rest.front().socket;
    const auto other = std::ranges::find_if(rest, [socket](const auto& e) { return e.socket != socket; });
    const auto run = rest.first(static_cast<std::size_t>(other - rest.begin()));
    std::size_t done = run.size();
    if (sockets_[socket].blocked) {
      for (const auto& entry : run) (void)queue_.push(socket, entry.to, leaving_.bytes_of(entry));
    } else {
      AKM_ASSIGN(done, send_run(run, leaving_));
    }
    rest = rest.subspan(done);
  }
  leaving_.clear();
  return {};
}

// How many entries are dealt with: sent, or refused and counted or queued again. None when the socket has
// just become blocked.
Result<std::size_t> EpollLoop::send_run(std::span<const SendQueue::Entry> run, const SendQueue& from) {
  std::array<SendMessage, kBatch> messages;
  std::array<mmsghdr, kBatch> headers{};
  std::size_t count = 0;
  for (auto rest = run; !rest.empty() && count < kBatch; rest = rest.subspan(messages[count++].count)) {
    messages[count].fill(from, next_run(rest));
    headers[count].msg_hdr = messages[count].header;
  }
  const SocketId socket = run.front().socket;
  const int sent = sendmmsg(sockets_[socket].udp.fd.get(), headers.data(), static_cast<unsigned>(count),
                            MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent > 0) {
    std::size_t datagrams = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(sent); ++i) datagrams += messages[i].count;
    counters_.datagrams_sent += datagrams;
    return datagrams;
  }
  if (errno == EINTR) return 0;
  if (errno == EAGAIN) {
    AKM_TRY(set_blocked(socket, true));
    return 0;
  }
  refused(from, run.first(messages[0].count), errno);
  return messages[0].count;
}

Result<std::size_t> EpollLoop::wait(std::optional<Duration> timeout) {
  timespec limit{};
  if (timeout) {
    limit.tv_sec = timeout->count() / 1'000'000'000;
    limit.tv_nsec = timeout->count() % 1'000'000'000;
  }
  const auto room = static_cast<int>(events_.size());
  wipe_vector_registers();
  int count = epoll_pwait2(epoll_.get(), events_.data(), room, timeout ? &limit : nullptr, nullptr);
  if (count < 0 && errno == ENOSYS) {
    // Before Linux 5.11: milliseconds, rounded up so that no deadline is found not yet due.
    constexpr std::int64_t kMaxMs = 24 * 3600 * 1000;
    const std::int64_t ms = timeout ? std::min(kMaxMs, (timeout->count() + 999'999) / 1'000'000) : -1;
    count = epoll_wait(epoll_.get(), events_.data(), room, static_cast<int>(ms));
  }
  if (count < 0 && errno != EINTR) return fail_errno(Errc::io_failed, "epoll_wait");
  return static_cast<std::size_t>(std::max(count, 0));
}

Status EpollLoop::wait_and_dispatch(std::optional<Duration> timeout) {
  AKM_ASSIGN(const std::size_t count, wait(timeout));
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t data = events_[i].data.u64;
    const std::uint32_t events = events_[i].events;
    if ((data & kSocketBit) == 0) {
      deliver_event(static_cast<std::uint32_t>(data >> 32), static_cast<std::uint32_t>(data), events);
      continue;
    }
    const auto socket = static_cast<SocketId>(data);
    if ((events & EPOLLOUT) != 0) AKM_TRY(set_blocked(socket, false));
    if ((events & ~std::uint32_t{EPOLLOUT}) != 0) AKM_TRY(receive(socket));
  }
  return {};
}

Status EpollLoop::receive(SocketId socket) {
  for (std::size_t round = 0; round < kRounds; ++round) {
    std::array<mmsghdr, kBatch> messages{};
    std::array<iovec, kBatch> vectors{};
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors[i] = {buffers_[i].data(), buffers_[i].size()};
      messages[i].msg_hdr.msg_name = &names_[i];
      messages[i].msg_hdr.msg_namelen = sizeof names_[i];
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int count = recvmmsg(sockets_[socket].udp.fd.get(), messages.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (count < 0) {
      // A pending network error is consumed by being read; EAGAIN ends the turn for this socket.
      return errno == EBADF || errno == ENOTSOCK ? Status(fail_errno(Errc::io_failed, "recvmmsg")) : Status{};
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      const auto& header = messages[i].msg_hdr;
      deliver(sockets_[socket], std::span(buffers_[i]).first(messages[i].msg_len),
              to_endpoint(&names_[i], header.msg_namelen));
    }
    if (static_cast<std::size_t>(count) < kBatch) return {};
  }
  return {};
}

}  // namespace akm::io
