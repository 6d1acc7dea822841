#include "daemon/watch/packet_sockets.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/unique_fd.h"
#include "tests/unit/watch/aside.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Aside;
using akm::test::Heard;
using akm::test::looked;

Test(packet_sockets, one_for_all_packets_is_evidence_with_its_owner) {
  if (::unshare(CLONE_NEWNET) != 0) cr_skip_test("needs root for a network of its own");
  const PacketSockets sockets;
  Aside aside;
  AsideWatch watch(aside.run(), Duration{0}, sockets.collect(), sockets.judge());
  Heard heard;
  cr_assert_eq(looked(heard, watch, aside), 0);
  UniqueFd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
  if (!socket) cr_skip_test("no packet sockets");
  packet_mreq request{};
  request.mr_ifindex = static_cast<int>(::if_nametoindex("lo"));
  request.mr_type = PACKET_MR_PROMISC;
  cr_assert_eq(::setsockopt(socket.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof request), 0);
  cr_assert_eq(looked(heard, watch, aside), 1);
  cr_assert_eq(heard.last_class(), policy::DetectionClass::packet_capture);
  cr_assert_eq(heard.last_grade(), policy::Grade::evidence);
  cr_assert_eq(heard.all.back().subject.at("pid"), std::to_string(::getpid()));
  cr_assert(heard.all.back().subject.contains("exe"));
  cr_assert_eq(looked(heard, watch, aside), 0);
  socket.reset();
  cr_assert_eq(looked(heard, watch, aside), 1);
  cr_assert_eq(heard.last_grade(), policy::Grade::observe);
}

Test(packet_sockets, one_as_dhcp_has_is_an_observation) {
  if (::unshare(CLONE_NEWNET) != 0) cr_skip_test("needs root for a network of its own");
  const PacketSockets sockets;
  Aside aside;
  AsideWatch watch(aside.run(), Duration{0}, sockets.collect(), sockets.judge());
  Heard heard;
  (void)looked(heard, watch, aside);
  const UniqueFd socket(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP)));
  if (!socket) cr_skip_test("no packet sockets");
  cr_assert_eq(looked(heard, watch, aside), 1);
  cr_assert_eq(heard.last_grade(), policy::Grade::observe);
}

Test(packet_sockets, nobody_owns_a_socket_that_is_not) {
  cr_assert(owners_of_sockets("/proc/self/nothing", {1}).empty());
  cr_assert(owners_of_sockets("/proc", {0xffffffff}).empty());
}
