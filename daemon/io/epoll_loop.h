#pragma once
#include <sys/epoll.h>

#include <array>

#include "daemon/io/loop_base.h"

namespace akm::io {

/// Where io_uring is forbidden: epoll, recvmmsg and sendmmsg, with the same order of a turn.
class EpollLoop final : public LoopBase {
 public:
  static Result<std::unique_ptr<Loop>> create();
  [[nodiscard]] Backend backend() const override { return Backend::epoll; }

 private:
  static constexpr std::size_t kBatch = 32;  // datagrams a system call
  static constexpr std::size_t kRounds =
      8;  // system calls for one socket in a turn: the others get their share
  static constexpr std::size_t kBufferBytes = kDatagramMaxBytes;

  Status arm_socket(SocketId socket) override;
  Status arm_watch(WatchId id, const Watch& watch) override;
  void disarm_watch(WatchId id, const Watch& watch) override;
  Status rearm_watch(WatchId id, const Watch& before, const Watch& now) override;
  Status flush() override;
  Status wait_and_dispatch(std::optional<Duration> timeout) override;

  Status control(int operation, int fd, std::uint32_t events, std::uint64_t data, const char* what);
  Result<std::size_t> wait(std::optional<Duration> timeout);
  Status receive(SocketId socket);
  Status set_blocked(SocketId socket, bool blocked);
  Result<std::size_t> send_run(std::span<const SendQueue::Entry> run, const SendQueue& from);

  UniqueFd epoll_;
  std::array<epoll_event, 64> events_{};
  std::array<std::array<std::uint8_t, kBufferBytes>, kBatch> buffers_{};
  std::array<sockaddr_storage, kBatch> names_{};
  SendQueue leaving_;
};

}  // namespace akm::io
