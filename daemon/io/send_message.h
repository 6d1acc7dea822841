#pragma once
// One message for the kernel: a datagram, or a run of them to one address that it cuts apart by itself (UDP
// GSO).
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include "daemon/io/send_queue.h"

namespace akm::io {

struct SendMessage {
  msghdr header;
  iovec bytes;
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint16_t))> control;
  std::uint32_t count;  // datagrams

  /// `run`, of `from`, as SendQueue::run_of() found it. The message points into itself and into `from`.
  void fill(const SendQueue& from, std::span<const SendQueue::Entry> run);
};

/// A refusal of a run that is no matter of the address: this kernel or device cannot cut datagrams apart.
bool cannot_segment(int error);

}  // namespace akm::io
