#include "daemon/io/loop_base.h"

#include <poll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/io/send_message.h"

namespace akm::io {

Result<Loop::SocketId> LoopBase::open_udp(const Endpoint& listen, DatagramHandler handler) {
  return add_socket(open_udp_socket(listen), std::move(handler));
}

Status LoopBase::join_group(const Endpoint& group, const Endpoint& local, DatagramHandler handler) {
  AKM_TRY(add_socket(open_group_socket(group, local), std::move(handler)));
  return {};
}

Result<Loop::SocketId> LoopBase::add_socket(Result<UdpSocket> udp, DatagramHandler handler) {
  if (!udp) return std::unexpected(std::move(udp).error());
  if (sockets_.size() == kSockets) return fail(Errc::limit_exceeded, "UDP sockets");
  sockets_.push_back({std::move(*udp), std::move(handler), false});
  const auto id = static_cast<SocketId>(sockets_.size() - 1);
  if (auto armed = arm_socket(id); !armed) {
    sockets_.pop_back();
    return std::unexpected(std::move(armed).error());
  }
  return id;
}

Endpoint LoopBase::local_endpoint(SocketId socket) const {
  return socket < sockets_.size() ? sockets_[socket].udp.local : Endpoint{};
}

void LoopBase::send(SocketId socket, const Endpoint& to, std::span<const std::uint8_t> datagram) {
  if (socket >= sockets_.size()) {
    ++counters_.send_failures;
    return;
  }
  const auto address = to_socket_address(to, sockets_[socket].udp.family);
  if (!address || datagram.size() > kDatagramMaxBytes) {
    ++counters_.send_failures;
    return;
  }
  if (queue_.push(socket, *address, datagram)) return;
  // A burst larger than the queue leaves in parts, unless it waits for the socket anyway.
  if (sockets_[socket].blocked || !flush() || !queue_.push(socket, *address, datagram))
    ++counters_.send_failures;
}

std::size_t LoopBase::room(SocketId socket) const {
  return socket < sockets_.size() && !sockets_[socket].blocked ? queue_.room() : 0;
}

std::span<const SendQueue::Entry> LoopBase::next_run(std::span<const SendQueue::Entry> rest) const {
  return rest.first(sockets_[rest.front().socket].segments ? SendQueue::run_of(rest) : 1);
}

void LoopBase::refused(const SendQueue& from, std::span<const SendQueue::Entry> run, int error) {
  const bool try_singly = run.size() > 1 && cannot_segment(error);
  if (try_singly) sockets_[run.front().socket].segments = false;
  for (const SendQueue::Entry& datagram : run) {
    const bool again = error == EAGAIN || try_singly;
    if (!again || !queue_.push(datagram.socket, datagram.to, from.bytes_of(datagram)))
      ++counters_.send_failures;
  }
}

Result<Loop::WatchId> LoopBase::watch(int fd, std::uint32_t events, PollHandler handler) {
  AKM_ASSIGN(const WatchId id, watches_.add(fd, events, std::move(handler)));
  if (auto armed = arm_watch(id, *watches_.find(id)); !armed) {
    watches_.remove(id);
    return std::unexpected(std::move(armed).error());
  }
  return id;
}

Status LoopBase::change_watch(WatchId id, std::uint32_t events) {
  Watch* watch = watches_.find(id);
  if (watch == nullptr) return fail(Errc::not_found, "watch");
  if (watch->events == events) return {};
  const Watch before = *watch;
  watch->events = events;
  ++watch->generation;
  return rearm_watch(id, before, *watch);
}

void LoopBase::unwatch(WatchId id) {
  if (const Watch* watch = watches_.find(id); watch != nullptr) {
    disarm_watch(id, *watch);
    watches_.remove(id);
  }
}

void LoopBase::add_deadline(DeadlineSource source, std::function<void()> expired) {
  deadlines_.add(std::move(source), std::move(expired));
}

void LoopBase::at_end_of_turn(std::function<void()> hook) {
  hooks_.push_back(std::move(hook));
}

const Loop::Counters& LoopBase::counters() const {
  counters_.dropped_by_kernel = 0;
  for (const Socket& socket : sockets_) counters_.dropped_by_kernel += dropped_by_kernel(socket.udp.fd.get());
  return counters_;
}

std::optional<Duration> LoopBase::time_to_wait() const {
  const auto earliest = deadlines_.earliest();
  if (!earliest) return std::nullopt;
  return std::max(Duration::zero(), *earliest - boottime_now());
}

Status LoopBase::run() {
  stopped_ = false;
  for (;;) {
    deadlines_.run_expired(boottime_now());
    // NOLINTNEXTLINE(modernize-loop-convert): by index, for a hook may add another
    for (std::size_t i = 0; i < hooks_.size(); ++i) {
      const auto hook = hooks_[i];
      hook();
    }
    if (stopped_) return flush_now();  // no wait follows that would submit them
    AKM_TRY(flush());
    AKM_TRY(wait_and_dispatch(time_to_wait()));
    ++counters_.turns;
  }
}

Status LoopBase::watch_for_resume() {
  resume_timer_.reset(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!resume_timer_) return fail_errno(Errc::io_failed, "timerfd_create");
  const auto arm = [fd = resume_timer_.get()] {
    // Never due; the kernel cancels it, and so makes it readable, when the clock is set or the system
    // resumes.
    itimerspec never{};
    never.it_value.tv_sec = std::int64_t{1} << 33;
    return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr) == 0;
  };
  if (!arm()) return fail_errno(Errc::io_failed, "timerfd_settime");
  AKM_ASSIGN([[maybe_unused]] const WatchId id,
             watch(resume_timer_.get(), POLLIN, [this, arm](std::uint32_t) {
               std::uint64_t expirations = 0;
               (void)!::read(resume_timer_.get(), &expirations,
                             sizeof expirations);  // ECANCELED: that is the message
               (void)arm();
             }));
  return {};
}

void LoopBase::deliver(Socket& socket, std::span<std::uint8_t> datagram, const Endpoint& from) {
  ++counters_.datagrams_received;
  socket.handler(datagram, from);
}

void LoopBase::deliver_event(std::uint32_t slot, std::uint32_t generation, std::uint32_t events) {
  const Watch* watch = watches_.find_slot(slot, generation);
  if (watch == nullptr) return;  // ended or changed since the event was queued
  const auto handler = watch->handler;
  (*handler)(events);
}

}  // namespace akm::io
