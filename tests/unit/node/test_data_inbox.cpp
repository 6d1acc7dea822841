#include "daemon/node/data_inbox.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "daemon/base/unique_fd.h"

using akm::UniqueFd;
using namespace akm::node;

namespace {

struct Pair {
  UniqueFd here;
  UniqueFd there;
  Pair() {
    std::array<int, 2> pair{};
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), 0);
    here.reset(pair[0]);
    there.reset(pair[1]);
  }
  void send(std::size_t size, std::uint8_t fill = 1) const {
    const std::vector<std::uint8_t> bytes(size, fill);
    cr_assert_eq(::send(there.get(), bytes.data(), size, 0), static_cast<ssize_t>(size));
  }
};

}  // namespace

Test(data_inbox, takes_many_at_a_time_and_keeps_their_borders) {
  DataInbox inbox;
  Pair pair;
  for (std::uint8_t i = 1; i <= 5; ++i) pair.send(i, i);
  cr_assert_eq(inbox.receive(pair.here.get(), 3), 3);
  cr_assert_eq(inbox.message(2).bytes.size(), 3);
  cr_assert_eq(inbox.message(2).bytes[0], 3);
  cr_assert_eq(inbox.receive(pair.here.get(), 1000), 2, "no more than are there");
  cr_assert_eq(inbox.message(1).bytes.size(), 5);
  cr_assert_eq(inbox.receive(pair.here.get(), 10), -1);
  cr_assert_eq(errno, EAGAIN);
}

Test(data_inbox, says_what_was_cut) {
  DataInbox inbox;
  Pair pair;
  pair.send(kMessageBytes);
  pair.send(kMessageBytes + 1);
  pair.send(8);
  cr_assert_eq(inbox.receive(pair.here.get(), 10), 3);
  cr_assert_not(inbox.message(0).cut);
  cr_assert(inbox.message(1).cut);
  cr_assert_not(inbox.message(2).cut, "a flag of the last call");
  pair.send(8);
  cr_assert_eq(inbox.receive(pair.here.get(), 10), 1);
  cr_assert_eq(inbox.message(0).bytes.size(), 8);
}

Test(data_inbox, the_end_is_an_empty_message) {
  DataInbox inbox;
  Pair pair;
  pair.send(4);
  pair.there.reset();
  cr_assert_geq(inbox.receive(pair.here.get(), 10), 1);
  cr_assert_eq(inbox.message(0).bytes.size(), 4);
  cr_assert_geq(inbox.receive(pair.here.get(), 10), 1);
  cr_assert(inbox.message(0).bytes.empty());
}

Test(data_inbox, descriptors_that_come_along_are_closed) {
  DataInbox inbox;
  Pair pair;
  std::array<int, 2> pipe_ends{};
  cr_assert_eq(pipe2(pipe_ends.data(), O_CLOEXEC), 0);
  const UniqueFd read_end(pipe_ends[0]);
  UniqueFd write_end(pipe_ends[1]);
  std::array<std::uint8_t, 4> bytes{};
  iovec vector{bytes.data(), bytes.size()};
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = write_end.get();
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  cr_assert_eq(sendmsg(pair.there.get(), &message, 0), 4);
  cr_assert_eq(inbox.receive(pair.here.get(), 10), 1);
  write_end.reset();
  char byte = 0;
  cr_assert_eq(::read(read_end.get(), &byte, 1), 0, "no writer is left");
}
