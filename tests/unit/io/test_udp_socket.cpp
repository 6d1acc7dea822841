#include "daemon/io/udp_socket.h"

#include <criterion/criterion.h>
#include <netinet/in.h>

using akm::parse_endpoint;
using namespace akm::io;

Test(udp_socket, addresses_there_and_back) {
  for (const char* text : {"192.0.2.1:7400", "127.0.0.1:1"}) {
    const auto endpoint = parse_endpoint(text).value();
    for (const int family : {AF_INET, AF_INET6}) {
      const auto address = to_socket_address(endpoint, family).value();
      cr_assert_eq(address.storage.ss_family, family);
      cr_assert(to_endpoint(&address.storage, address.size) == endpoint);
    }
  }
  const auto v6 = parse_endpoint("[2001:db8::1]:7400").value();
  const auto address = to_socket_address(v6, AF_INET6).value();
  cr_assert(to_endpoint(&address.storage, address.size) == v6);
  cr_assert(to_socket_address(v6, AF_INET).error().code == akm::Errc::invalid_argument);
}

Test(udp_socket, cut_or_foreign_addresses_are_empty) {
  const auto address = to_socket_address(parse_endpoint("[2001:db8::1]:7400").value(), AF_INET6).value();
  cr_assert(to_endpoint(&address.storage, sizeof(sockaddr_in6) - 1) == akm::Endpoint{});
  cr_assert(to_endpoint(&address.storage, 1) == akm::Endpoint{});
  sockaddr_storage other{};
  other.ss_family = AF_UNIX;
  cr_assert(to_endpoint(&other, sizeof other) == akm::Endpoint{});
}

Test(udp_socket, never_fragments_and_says_its_port) {
  const auto opened = open_udp_socket(parse_endpoint("127.0.0.1:0").value());
  cr_assert(opened.has_value());
  cr_assert_neq(opened->local.port, 0);
  int discover = 0;
  socklen_t size = sizeof discover;
  cr_assert_eq(getsockopt(opened->fd.get(), IPPROTO_IP, IP_MTU_DISCOVER, &discover, &size), 0);
  cr_assert_eq(discover, IP_PMTUDISC_PROBE);
  cr_assert_eq(dropped_by_kernel(opened->fd.get()), 0);
  const auto again = open_udp_socket(opened->local);
  cr_assert(!again.has_value());
  cr_assert(again.error().code == akm::Errc::io_failed);
}

Test(udp_socket, an_address_of_no_interface_is_an_error) {
  cr_assert(!open_udp_socket(parse_endpoint("192.0.2.77:0").value()).has_value());
}

Test(udp_socket, counts_what_the_kernel_dropped) {
  const auto opened = open_udp_socket(parse_endpoint("127.0.0.1:0").value()).value();
  const int small = 1;  // the kernel's minimum
  cr_assert_eq(setsockopt(opened.fd.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
  const auto to = to_socket_address(opened.local, AF_INET).value();
  const std::array<std::uint8_t, 1000> datagram{};
  for (int i = 0; i < 100; ++i) {
    (void)sendto(opened.fd.get(), datagram.data(), datagram.size(), 0,
                 reinterpret_cast<const sockaddr*>(&to.storage), to.size);
  }
  cr_assert_gt(dropped_by_kernel(opened.fd.get()), 0);
}

Test(udp_socket, a_group_is_heard_by_each_daemon_that_joined_it) {
  const auto local = parse_endpoint("127.0.0.1:0").value();
  const auto group = parse_endpoint("239.192.7.1:17411").value();
  const auto sender = open_udp_socket(local);
  const auto first = open_group_socket(group, local);
  const auto second = open_group_socket(group, local);
  cr_assert(sender && first && second);
  const auto to = to_socket_address(group, AF_INET).value();
  // The loopback device has no group flag; the kernel delivers to its own sockets all the same.
  cr_assert_eq(sendto(sender->fd.get(), "akm", 3, 0, reinterpret_cast<const sockaddr*>(&to.storage), to.size),
               3);
  for (const auto* heard : {&*first, &*second}) {
    char bytes[8];
    cr_assert_eq(recv(heard->fd.get(), bytes, sizeof bytes, 0), 3);
  }
}

Test(udp_socket, a_group_of_the_link_is_joined_on_its_interface) {
  const auto group = parse_endpoint("[ff02::7:1]:17412").value();
  const auto joined = open_group_socket(group, parse_endpoint("[::1]:0").value());
  cr_assert(joined, "%s", joined ? "" : joined.error().message().c_str());
}

Test(udp_socket, what_is_no_group_is_not_joined) {
  const auto local = parse_endpoint("127.0.0.1:0").value();
  const auto group = parse_endpoint("239.192.7.1:17411").value();
  cr_assert_eq(open_group_socket(local, local).error().code, akm::Errc::invalid_argument);
  cr_assert_eq(open_group_socket(group, parse_endpoint("192.0.2.77:1").value()).error().code,
               akm::Errc::not_found);
}
