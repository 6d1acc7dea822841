#include "daemon/io/send_message.h"

#include <criterion/criterion.h>
#include <netinet/udp.h>

#include <cerrno>
#include <cstring>

using namespace akm;
using namespace akm::io;

namespace {

SocketAddress address(const char* text) {
  return *to_socket_address(*parse_endpoint(text), AF_INET);
}

}  // namespace

Test(send_message, one_datagram_is_sent_as_it_is) {
  SendQueue queue;
  cr_assert(queue.push(0, address("127.0.0.1:1"), std::vector<std::uint8_t>(9)));
  SendMessage message;
  message.fill(queue, queue.entries());
  cr_assert_eq(message.count, 1);
  cr_assert_eq(message.bytes.iov_len, 9);
  cr_assert_null(message.header.msg_control);
}

Test(send_message, a_run_says_where_it_is_to_be_cut) {
  SendQueue queue;
  for (const std::size_t size : {100U, 100U, 30U}) {
    cr_assert(queue.push(0, address("127.0.0.1:1"), std::vector<std::uint8_t>(size)));
  }
  SendMessage message;
  message.fill(queue, queue.entries());
  cr_assert_eq(message.count, 3);
  cr_assert_eq(message.bytes.iov_len, 230);
  const cmsghdr* control = CMSG_FIRSTHDR(&message.header);
  cr_assert_eq(control->cmsg_level, SOL_UDP);
  cr_assert_eq(control->cmsg_type, UDP_SEGMENT);
  std::uint16_t size = 0;
  std::memcpy(&size, CMSG_DATA(control), sizeof size);
  cr_assert_eq(size, 100);
}

Test(send_message, a_full_buffer_is_no_lack_of_segmentation) {
  cr_assert(cannot_segment(EIO));
  cr_assert(cannot_segment(EINVAL));
  cr_assert_not(cannot_segment(EAGAIN));
  cr_assert_not(cannot_segment(ENETUNREACH));
}
