#pragma once
// What the two backends share: the order of a turn, and all that is not a system call.
#include <deque>
#include <memory>

#include "daemon/io/deadlines.h"
#include "daemon/io/loop.h"
#include "daemon/io/send_queue.h"
#include "daemon/io/watch_table.h"

namespace akm::io {

/// A turn: expired deadlines, hooks of the end of the turn, queued datagrams out, wait, then the handlers of
/// all that came. Nothing wakes an idle loop but a deadline, a descriptor, and the end of a suspend.
class LoopBase : public Loop {
 public:
  [[nodiscard]] const std::string& backend_reason() const final { return reason_; }
  Result<SocketId> open_udp(const Endpoint& listen, DatagramHandler handler) final;
  Status join_group(const Endpoint& group, const Endpoint& local, DatagramHandler handler) final;
  [[nodiscard]] Endpoint local_endpoint(SocketId socket) const final;
  void send(SocketId socket, const Endpoint& to, std::span<const std::uint8_t> datagram) final;
  void send_queued() final {
    if (!queue_.empty()) (void)flush_now();
  }
  [[nodiscard]] std::size_t room(SocketId socket) const final;
  Result<WatchId> watch(int fd, std::uint32_t events, PollHandler handler) final;
  Status change_watch(WatchId id, std::uint32_t events) final;
  void unwatch(WatchId id) final;
  void add_deadline(DeadlineSource source, std::function<void()> expired) final;
  void at_end_of_turn(std::function<void()> hook) final;
  Status run() final;
  void stop() final { stopped_ = true; }
  [[nodiscard]] const Counters& counters() const final;

  void set_backend_reason(std::string reason) { reason_ = std::move(reason); }

 protected:
  struct Socket {
    UdpSocket udp;
    DatagramHandler handler;
    bool blocked = false;  // the send buffer is full; its datagrams wait until it is writable
    bool segments = true;  // the kernel cuts runs of datagrams apart, as far as is known
  };
  static constexpr std::size_t kSockets = 64;

  /// Wakes the loop when a suspend ends: waits count CLOCK_MONOTONIC, which stood still, deadlines do not.
  Status watch_for_resume();

  virtual Status arm_socket(SocketId socket) = 0;
  virtual Status arm_watch(WatchId id, const Watch& watch) = 0;
  /// `watch` is still as it was armed.
  virtual void disarm_watch(WatchId id, const Watch& watch) = 0;
  /// The events of a watch have changed; its generation has grown.
  virtual Status rearm_watch(WatchId id, const Watch& before, const Watch& now) = 0;
  /// Hands queue_ to the kernel, leaves in it what has to wait.
  virtual Status flush() = 0;
  /// The same, and the kernel has them when it returns.
  virtual Status flush_now() { return flush(); }
  /// Waits (none: for ever) and runs handlers.
  virtual Status wait_and_dispatch(std::optional<Duration> timeout) = 0;

  /// The next entries of `rest` that leave together.
  [[nodiscard]] std::span<const SendQueue::Entry> next_run(std::span<const SendQueue::Entry> rest) const;
  /// A refused run: its datagrams wait in the queue, or are counted as failures.
  void refused(const SendQueue& from, std::span<const SendQueue::Entry> run, int error);
  void deliver(Socket& socket, std::span<std::uint8_t> datagram, const Endpoint& from);
  void deliver_event(std::uint32_t slot, std::uint32_t generation, std::uint32_t events);

  std::deque<Socket> sockets_;  // a deque: a handler may open another socket
  WatchTable watches_;
  SendQueue queue_;
  mutable Counters counters_;

 private:
  [[nodiscard]] std::optional<Duration> time_to_wait() const;
  Result<SocketId> add_socket(Result<UdpSocket> udp, DatagramHandler handler);

  Deadlines deadlines_;
  std::vector<std::function<void()>> hooks_;
  std::string reason_;
  UniqueFd resume_timer_;
  bool stopped_ = false;
};

}  // namespace akm::io
