#pragma once
// One loop thread owns everything of a daemon: UDP, the bus, the BPF ring buffer, the TPM thread's eventfd,
// deadlines. Two backends behind one interface: io_uring, and epoll where io_uring is forbidden.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/endpoint.h"
#include "daemon/base/instant.h"
#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm::io {

enum class Backend : std::uint8_t { io_uring, epoll };
enum class BackendChoice : std::uint8_t { automatic, io_uring, epoll };

/// A datagram lent to the handler; it may be changed in place and is gone when the handler returns.
using DatagramHandler = std::function<void(std::span<std::uint8_t> datagram, const Endpoint& from)>;
/// `events`: poll(2) revents. Level-triggered: what the handler left is told again in the next turn.
using PollHandler = std::function<void(std::uint32_t events)>;

/// Not thread-safe: created, used and run by one thread (io_uring's DEFER_TASKRUN lets no other in). Every
/// handler may call send, watch, unwatch, open_udp and stop.
class Loop {
 public:
  /// Automatic: io_uring where it works, else epoll. `reason` in backend_reason() says why not io_uring.
  static Result<std::unique_ptr<Loop>> create(BackendChoice choice);
  virtual ~Loop() = default;

  [[nodiscard]] virtual Backend backend() const = 0;
  /// Why io_uring was not taken (which sysctl, seccomp, kernel); empty when it was or was not asked for.
  [[nodiscard]] virtual const std::string& backend_reason() const = 0;

  using SocketId = std::uint32_t;
  /// Binds a UDP socket and receives from it until the loop ends.
  virtual Result<SocketId> open_udp(const Endpoint& listen, DatagramHandler handler) = 0;
  /// Receives what is sent to the group on the interface of `local` until the loop ends (open_group_socket).
  virtual Status join_group(const Endpoint& group, const Endpoint& local, DatagramHandler handler) = 0;
  [[nodiscard]] virtual Endpoint local_endpoint(SocketId socket) const = 0;
  /// Queues a datagram of up to 1984 bytes; all that one turn queued leaves in one batch at its end, in
  /// order. Datagrams wait while the socket's send buffer is full; a full queue (4096) or a refusing kernel
  /// drops the datagram and counts it: the protocol repeats.
  virtual void send(SocketId socket, const Endpoint& to, std::span<const std::uint8_t> datagram) = 0;
  /// How many datagrams send() takes now; none while the socket's send buffer is full. For who can wait.
  [[nodiscard]] virtual std::size_t room(SocketId socket) const = 0;

  /// What is queued leaves now: for who is about to block (on a disk) within its turn. Errors come with the
  /// turn's own flush.
  virtual void send_queued() = 0;

  using WatchId = std::uint32_t;
  /// Calls back when `fd` is ready. The fd stays the caller's, is watched once, and is closed after unwatch
  /// only. change_watch when the wanted events change (sd-bus). already_exists, limit_exceeded (1024).
  virtual Result<WatchId> watch(int fd, std::uint32_t events, PollHandler handler) = 0;
  virtual Status change_watch(WatchId id, std::uint32_t events) = 0;
  virtual void unwatch(WatchId id) = 0;

  /// Asked before each wait for the earliest deadline of its owner; none when it has none.
  using DeadlineSource = std::function<std::optional<Instant>()>;
  /// `expired` is called when that deadline has passed. Both live as long as the loop.
  virtual void add_deadline(DeadlineSource source, std::function<void()> expired) = 0;
  /// Called at the end of each turn, before the loop waits: flush what was gathered (bus, effects).
  virtual void at_end_of_turn(std::function<void()> hook) = 0;

  /// Runs turns until stop() is called. io_failed when the backend itself breaks.
  virtual Status run() = 0;
  virtual void stop() = 0;

  struct Counters {
    std::uint64_t turns = 0;  // wake-ups
    std::uint64_t datagrams_received = 0;
    std::uint64_t datagrams_sent = 0;
    std::uint64_t send_failures = 0;
    std::uint64_t buffers_exhausted = 0;  // -ENOBUFS: normal under load, the kernel queues
    std::uint64_t dropped_by_kernel = 0;  // the receive buffer was full
  };
  [[nodiscard]] virtual const Counters& counters() const = 0;
};

}  // namespace akm::io
