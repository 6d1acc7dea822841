#include "bpf/loader/network_interfaces.h"

#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "daemon/base/unique_fd.h"

namespace akm::bpf {
namespace {

constexpr std::size_t kIpv4Offset = 12;  // of the IPv4 address in a mapped one

struct FreeList {
  void operator()(ifaddrs* list) const { freeifaddrs(list); }
};

NetworkInterface& entry_of(std::vector<NetworkInterface>& out, const ifaddrs& one) {
  const std::string_view labelled = one.ifa_name;  // "eth0:1": an address of eth0
  const std::string name(labelled.substr(0, labelled.find(':')));
  const auto known = std::ranges::find(out, name, &NetworkInterface::name);
  if (known != out.end()) return *known;
  NetworkInterface& added = out.emplace_back();
  added.name = name;
  added.index = if_nametoindex(name.c_str());
  added.up = (one.ifa_flags & IFF_UP) != 0;
  added.loopback = (one.ifa_flags & IFF_LOOPBACK) != 0;
  return added;
}

void add_address(NetworkInterface& out, const sockaddr& address) {
  Endpoint endpoint;
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    endpoint.address[10] = endpoint.address[11] = 0xff;
    std::memcpy(endpoint.address.data() + kIpv4Offset, &v4.sin_addr, sizeof v4.sin_addr);
    out.addresses.push_back(endpoint);
  } else if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    std::memcpy(endpoint.address.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    out.addresses.push_back(endpoint);
  } else if (address.sa_family == AF_PACKET) {
    sockaddr_ll link{};
    std::memcpy(&link, &address, sizeof link);
    out.ethernet = link.sll_hatype == ARPHRD_ETHER || link.sll_hatype == ARPHRD_LOOPBACK;
  }
}

}  // namespace

Result<std::vector<NetworkInterface>> network_interfaces() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return fail_errno(Errc::io_failed, "getifaddrs");
  const std::unique_ptr<ifaddrs, FreeList> owner(list);
  std::vector<NetworkInterface> out;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr != nullptr) add_address(entry_of(out, *at), *at->ifa_addr);
  }
  return out;
}

std::string driver_of(const std::string& interface) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  ifreq request{};
  (void)interface.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&info);
  if (!socket || ::ioctl(socket.get(), SIOCETHTOOL, &request) != 0) return {};
  return {info.driver, ::strnlen(info.driver, sizeof info.driver)};
}

bool is_any_address(const Endpoint& listen) {
  return std::ranges::all_of(std::span(listen.address).subspan(listen.is_ipv4() ? kIpv4Offset : 0),
                             [](std::uint8_t byte) { return byte == 0; });
}

bool listens_on(const Endpoint& listen, const Endpoint& address) {
  if (!is_any_address(listen)) return listen.address == address.address;
  return !listen.is_ipv4() || address.is_ipv4();
}

std::vector<NetworkInterface> interfaces_of(const Endpoint& listen,
                                            const std::vector<NetworkInterface>& interfaces) {
  std::vector<NetworkInterface> out;
  std::ranges::copy_if(interfaces, std::back_inserter(out), [&](const NetworkInterface& one) {
    if (!one.up || one.index == 0 || (one.loopback && is_any_address(listen))) return false;
    return std::ranges::any_of(one.addresses, [&](const Endpoint& a) { return listens_on(listen, a); });
  });
  return out;
}

}  // namespace akm::bpf
