#pragma once
// Messages of a local program, taken from its socket many at a time into buffers that are kept.
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <span>

#include "daemon/protocol/data_payload.h"

namespace akm::node {

/// A local message: u16 index of the member (to; from), u16 0, then the datagram. As a data frame's payload.
inline constexpr std::size_t kMessageBytes = protocol::kDataHeaderBytes + protocol::kDataBytes;

class DataInbox {
 public:
  static constexpr std::size_t kMessages = 64;  // in one system call

  DataInbox();
  DataInbox(const DataInbox&) = delete;
  DataInbox& operator=(const DataInbox&) = delete;

  /// Takes up to `most` messages without waiting. How many, or -1 with errno as recvmmsg(2) sets it.
  int receive(int fd, std::size_t most);
  struct Message {
    std::span<const std::uint8_t> bytes;  // empty at the end of the connection
    bool cut = false;                     // it was longer than kMessageBytes
  };
  /// Of the last receive().
  [[nodiscard]] Message message(std::size_t place) const;

 private:
  std::array<std::array<std::uint8_t, kMessageBytes>, kMessages> buffers_;
  std::array<iovec, kMessages> vectors_;
  std::array<mmsghdr, kMessages> headers_{};
};

}  // namespace akm::node
