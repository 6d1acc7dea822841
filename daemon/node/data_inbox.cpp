#include "daemon/node/data_inbox.h"

#include <algorithm>

namespace akm::node {

DataInbox::DataInbox() {
  for (std::size_t i = 0; i < kMessages; ++i) {
    vectors_[i] = {buffers_[i].data(), buffers_[i].size()};
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
  }
}

int DataInbox::receive(int fd, std::size_t most) {
  // No room for control data: descriptors that somebody sends along are closed by the kernel.
  return recvmmsg(fd, headers_.data(), static_cast<unsigned>(std::min(most, kMessages)), MSG_DONTWAIT,
                  nullptr);
}

DataInbox::Message DataInbox::message(std::size_t place) const {
  const mmsghdr& header = headers_[place];
  return {std::span(buffers_[place]).first(header.msg_len), (header.msg_hdr.msg_flags & MSG_TRUNC) != 0};
}

}  // namespace akm::node
