#include "daemon/io/udp_socket.h"

#include <ifaddrs.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <thread>

namespace akm::io {
namespace {

constexpr std::size_t kIpv4Offset = 12;  // of the IPv4 address in a mapped one
constexpr int kBufferBytes = 4 << 20;
// The socket of a daemon that was killed lives until the kernel has ended its io_uring requests, a little
// after the process: whoever starts it anew at once would find its address taken.
constexpr int kBindTries = 120;
constexpr auto kBindPause = std::chrono::milliseconds(25);

Status set_option(int fd, int level, int option, int value, const char* what) {
  if (setsockopt(fd, level, option, &value, sizeof value) != 0) return fail_errno(Errc::io_failed, what);
  return {};
}

// FORCE needs CAP_NET_ADMIN; without it the system's limit (net.core.rmem_max, wmem_max) cuts the size
// silently.
Status set_buffer(int fd, int forced, int plain, const char* what) {
  if (setsockopt(fd, SOL_SOCKET, forced, &kBufferBytes, sizeof kBufferBytes) == 0) return {};
  return set_option(fd, SOL_SOCKET, plain, kBufferBytes, what);
}

}  // namespace

Result<SocketAddress> to_socket_address(const Endpoint& endpoint, int family) {
  SocketAddress out;
  if (family == AF_INET) {
    if (!endpoint.is_ipv4())
      return fail(Errc::invalid_argument, "an IPv4 socket cannot reach an IPv6 address");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    std::memcpy(&address.sin_addr, endpoint.address.data() + kIpv4Offset, sizeof address.sin_addr);
    std::memcpy(&out.storage, &address, sizeof address);
    out.size = sizeof address;
    return out;
  }
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(endpoint.port);
  std::memcpy(&address.sin6_addr, endpoint.address.data(), sizeof address.sin6_addr);
  std::memcpy(&out.storage, &address, sizeof address);
  out.size = sizeof address;
  return out;
}

Endpoint to_endpoint(const void* address, std::size_t size) {
  Endpoint out;
  sa_family_t family = AF_UNSPEC;
  if (size < sizeof family) return out;
  std::memcpy(&family, address, sizeof family);
  if (family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    out.address[10] = out.address[11] = 0xff;
    std::memcpy(out.address.data() + kIpv4Offset, &v4.sin_addr, sizeof v4.sin_addr);
    out.port = ntohs(v4.sin_port);
  } else if (family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, sizeof v6);
    std::memcpy(out.address.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    out.port = ntohs(v6.sin6_port);
  }
  return out;
}

namespace {

Result<UdpSocket> new_socket(const Endpoint& address) {
  UdpSocket out;
  out.family = address.is_ipv4() ? AF_INET : AF_INET6;
  out.fd.reset(socket(out.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!out.fd) return fail_errno(Errc::io_failed, "socket");
  const int fd = out.fd.get();
  // PROBE sets DF and does not believe path MTU messages, which anyone can forge; frames fit the smallest
  // path.
  AKM_TRY(set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, "IP_MTU_DISCOVER"));
  if (out.family == AF_INET6) {
    AKM_TRY(set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0, "IPV6_V6ONLY"));
    AKM_TRY(set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE, "IPV6_MTU_DISCOVER"));
  }
  AKM_TRY(set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, "SO_RCVBUF"));
  AKM_TRY(set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, "SO_SNDBUF"));
  return out;
}

/// `interface`: the kernel wants it for a link-local group (ff02::/16); 0 for none.
Status bind_to(UdpSocket& socket, const Endpoint& listen, unsigned interface = 0) {
  AKM_ASSIGN(SocketAddress address, to_socket_address(listen, socket.family));
  if (socket.family == AF_INET6) reinterpret_cast<sockaddr_in6&>(address.storage).sin6_scope_id = interface;
  const int fd = socket.fd.get();
  for (int left = kBindTries;
       bind(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0;) {
    if (errno != EADDRINUSE || --left == 0) {
      return fail_errno(Errc::io_failed, "cannot listen on " + format_endpoint(listen));
    }
    std::this_thread::sleep_for(kBindPause);
  }
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) != 0)
    return fail_errno(Errc::io_failed, "getsockname");
  socket.local = to_endpoint(&local, size);
  return {};
}

/// Index of the interface that has this address.
Result<unsigned> interface_of(const Endpoint& local) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return fail_errno(Errc::io_failed, "getifaddrs");
  unsigned index = 0;
  for (const ifaddrs* at = list; at != nullptr && index == 0; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    const std::size_t size = at->ifa_addr->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    if (to_endpoint(at->ifa_addr, size).address == local.address) index = if_nametoindex(at->ifa_name);
  }
  freeifaddrs(list);
  if (index == 0) return fail(Errc::not_found, "no interface has the address of " + format_endpoint(local));
  return index;
}

Status send_groups_by(const UdpSocket& socket, unsigned interface) {
  const int fd = socket.fd.get();
  if (socket.family == AF_INET) {
    ip_mreqn request{};
    request.imr_ifindex = static_cast<int>(interface);
    if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request) == 0) return {};
    return fail_errno(Errc::io_failed, "IP_MULTICAST_IF");
  }
  return set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, static_cast<int>(interface), "IPV6_MULTICAST_IF");
}

}  // namespace

Result<UdpSocket> open_udp_socket(const Endpoint& listen) {
  AKM_ASSIGN(UdpSocket out, new_socket(listen));
  // Group frames leave by the interface that the daemon listens on, whatever the routes say.
  if (const auto interface = interface_of(listen)) AKM_TRY(send_groups_by(out, *interface));
  AKM_TRY(bind_to(out, listen));
  return out;
}

Result<UdpSocket> open_group_socket(const Endpoint& group, const Endpoint& local) {
  if (!group.is_multicast())
    return fail(Errc::invalid_argument, "no group address: " + format_endpoint(group));
  const bool any = std::ranges::all_of(std::span(local.address).subspan(local.is_ipv4() ? kIpv4Offset : 0),
                                       [](std::uint8_t byte) { return byte == 0; });
  AKM_ASSIGN(const unsigned interface, any ? Result<unsigned>(0U) : interface_of(local));
  AKM_ASSIGN(UdpSocket out, new_socket(group));
  AKM_TRY(set_option(out.fd.get(), SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"));
  AKM_TRY(bind_to(out, group, interface));
  group_req request{};
  request.gr_interface = interface;
  AKM_ASSIGN(const SocketAddress address, to_socket_address(group, out.family));
  std::memcpy(&request.gr_group, &address.storage, address.size);
  const int level = out.family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
  if (setsockopt(out.fd.get(), level, MCAST_JOIN_GROUP, &request, sizeof request) != 0) {
    return fail_errno(Errc::io_failed, "cannot join " + format_endpoint(group));
  }
  return out;
}

std::uint32_t dropped_by_kernel(int fd) {
  std::array<std::uint32_t, SK_MEMINFO_VARS> values{};
  socklen_t size = sizeof values;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values.data(), &size) != 0) return 0;
  return values[SK_MEMINFO_DROPS];
}

}  // namespace akm::io
