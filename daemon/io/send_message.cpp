#include "daemon/io/send_message.h"

#include <netinet/udp.h>

#include <cerrno>
#include <cstring>

namespace akm::io {

void SendMessage::fill(const SendQueue& from, std::span<const SendQueue::Entry> run) {
  const auto bytes_of_run = from.bytes_of(run);
  count = static_cast<std::uint32_t>(run.size());
  // The kernel only reads them; msghdr and iovec have no const form.
  bytes = {const_cast<std::uint8_t*>(bytes_of_run.data()), bytes_of_run.size()};
  header = {};
  header.msg_name = const_cast<sockaddr_storage*>(&run.front().to.storage);
  header.msg_namelen = run.front().to.size;
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  if (count == 1) return;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  cmsghdr* segment = CMSG_FIRSTHDR(&header);
  segment->cmsg_level = SOL_UDP;
  segment->cmsg_type = UDP_SEGMENT;
  segment->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
  const auto size = static_cast<std::uint16_t>(run.front().size);
  std::memcpy(CMSG_DATA(segment), &size, sizeof size);
}

bool cannot_segment(int error) {
  // EIO: the device has no checksum offload; EINVAL: before Linux 4.18, or the segment does not fit the
  // device.
  return error == EIO || error == EINVAL || error == EOPNOTSUPP || error == EMSGSIZE;
}

}  // namespace akm::io
