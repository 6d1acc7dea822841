#include "bpf/loader/network_interfaces.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::bpf;

namespace {

Endpoint at(const char* text) {
  return *parse_endpoint(text);
}

NetworkInterface interface(const char* name, unsigned index, std::vector<Endpoint> addresses) {
  NetworkInterface out;
  out.name = name;
  out.index = index;
  out.up = true;
  out.ethernet = true;
  out.addresses = std::move(addresses);
  return out;
}

std::vector<std::string> names_of(const std::vector<NetworkInterface>& interfaces) {
  std::vector<std::string> out;
  out.reserve(interfaces.size());
  for (const NetworkInterface& one : interfaces) out.push_back(one.name);
  return out;
}

}  // namespace

Test(network_interfaces, the_loopback_is_one_of_them) {
  const auto found = network_interfaces();
  cr_assert(found.has_value());
  bool seen = false;
  for (const NetworkInterface& one : *found) {
    if (one.name != "lo") continue;
    seen = true;
    cr_assert(one.loopback && one.ethernet && one.index != 0);
  }
  cr_assert(seen);
}

Test(network_interfaces, a_named_address_is_carried_by_its_interface) {
  NetworkInterface lo = interface("lo", 1, {at("127.0.0.1:0")});
  lo.loopback = true;
  NetworkInterface down = interface("eth2", 4, {at("192.0.2.1:0")});
  down.up = false;
  const std::vector<NetworkInterface> all{lo,
                                          interface("eth0", 2, {at("192.0.2.1:0"), at("[2001:db8::1]:0")}),
                                          interface("eth1", 3, {at("198.51.100.1:0")}), down};
  cr_assert(names_of(interfaces_of(at("192.0.2.1:7400"), all)) == std::vector<std::string>{"eth0"});
  cr_assert(names_of(interfaces_of(at("[2001:db8::1]:7400"), all)) == std::vector<std::string>{"eth0"});
  cr_assert(names_of(interfaces_of(at("127.0.0.1:7400"), all)) == std::vector<std::string>{"lo"});
  cr_assert(interfaces_of(at("203.0.113.1:7400"), all).empty());
  cr_assert(names_of(interfaces_of(at("0.0.0.0:7400"), all)) == std::vector<std::string>({"eth0", "eth1"}),
            "any address: all but the loopback");
}

Test(network_interfaces, any_ipv6_address_hears_ipv4_too) {
  cr_assert(is_any_address(at("0.0.0.0:1")) && is_any_address(at("[::]:1")));
  cr_assert_not(is_any_address(at("0.0.0.1:1")));
  cr_assert(listens_on(at("[::]:1"), at("192.0.2.1:0")));
  cr_assert(listens_on(at("[::]:1"), at("[2001:db8::1]:0")));
  cr_assert_not(listens_on(at("0.0.0.0:1"), at("[2001:db8::1]:0")));
}
