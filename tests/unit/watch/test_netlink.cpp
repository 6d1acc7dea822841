#include "daemon/watch/netlink.h"

#include <criterion/criterion.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cstring>

using namespace akm;
using namespace akm::watch;

Test(netlink, a_dump_has_all_parts_and_an_end) {
  auto route = Netlink::open(NETLINK_ROUTE);
  cr_assert(route.has_value());
  const ifinfomsg all{};
  std::size_t links = 0;
  bool loopback = false;
  const Status asked =
      route->ask(RTM_GETLINK, NLM_F_DUMP, {reinterpret_cast<const std::uint8_t*>(&all), sizeof all},
                 [&](std::uint16_t type, std::span<const std::uint8_t> payload) {
                   cr_assert_eq(type, RTM_NEWLINK);
                   ++links;
                   const auto name = attribute(payload, sizeof(ifinfomsg), IFLA_IFNAME);
                   loopback = loopback || (name.size() == 3 && std::memcmp(name.data(), "lo", 3) == 0);
                 });
  cr_assert(asked.has_value());
  cr_assert_gt(links, 0);
  cr_assert(loopback);
}

Test(netlink, what_the_kernel_refuses_is_an_error) {
  auto route = Netlink::open(NETLINK_ROUTE);
  cr_assert(route.has_value());
  cr_assert_not(route->ask(0x7ff0, 0, {}, [](auto, auto) {}).has_value());
  std::array<std::uint8_t, 8192> long_one{};
  cr_assert_eq(route->ask(RTM_GETLINK, 0, long_one, [](auto, auto) {}).error().code, Errc::too_large);
}

Test(netlink, attributes_that_lie_about_their_length) {
  std::array<std::uint8_t, 12> bytes{8, 0, 5, 0, 1, 2, 3, 4, 200, 0, 6, 0};
  cr_assert_eq(attribute(bytes, 0, 5).size(), 4);
  cr_assert(attribute(bytes, 0, 6).empty());
  cr_assert(attribute(bytes, 64, 5).empty());
  bytes[0] = 0;
  cr_assert(attribute(bytes, 0, 5).empty());
}
