#pragma once
#include <vector>

#include "daemon/io/loop_base.h"
#include "daemon/io/send_message.h"
#include "daemon/io/uring_setup.h"

namespace akm::io {

/// One system call a turn: it submits the sends and re-armed requests of the turn and waits for the next
/// completions.
class UringLoop final : public LoopBase {
 public:
  static Result<std::unique_ptr<Loop>> create();
  UringLoop();
  [[nodiscard]] Backend backend() const override { return Backend::io_uring; }

 private:
  enum class Tag : std::uint8_t { ignored, receive, writable, poll, send };
  struct Completion {
    std::uint64_t user_data;
    std::int32_t result;
    std::uint32_t flags;
  };

  Status arm_socket(SocketId socket) override;
  Status arm_watch(WatchId id, const Watch& watch) override;
  void disarm_watch(WatchId id, const Watch& watch) override;
  Status rearm_watch(WatchId id, const Watch& before, const Watch& now) override;
  Status flush() override;
  Status flush_now() override;
  Status wait_and_dispatch(std::optional<Duration> timeout) override;

  /// A free submission entry; submits when all are taken.
  Result<io_uring_sqe*> entry(Tag tag, std::uint32_t slot, std::uint32_t generation);
  Status arm_poll(std::uint32_t slot, const Watch& watch);
  Status arm_writable(SocketId socket);
  Status submit();
  void collect();
  Status on_send_failure(std::uint32_t batch, std::uint32_t index, std::int32_t result);
  Status dispatch(const Completion& completion);
  Status on_receive(SocketId socket, const Completion& completion);

  Ring ring_;
  msghdr receive_header_{};  // room for the sender's address, before each payload
  std::vector<Completion> completions_;
  std::vector<SocketId> receivers_to_arm_;
  SendQueue in_flight_;                // lent to the kernel until the next submission has returned
  std::vector<SendMessage> messages_;  // by the place of their first datagram in in_flight_
  std::uint32_t batch_ = 0;
  std::uint32_t receive_errors_ = 0;  // in a row
};

}  // namespace akm::io
