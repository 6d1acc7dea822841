#include "daemon/io/udp_socket.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace akm::io {
namespace {

constexpr std::size_t kIpv4Offset = 12;  // of the IPv4 address in a mapped one
constexpr int kBufferBytes = 4 << 20;

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

Result<UdpSocket> open_udp_socket(const Endpoint& listen) {
  UdpSocket out;
  out.family = listen.is_ipv4() ? AF_INET : AF_INET6;
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
  AKM_ASSIGN(const SocketAddress address, to_socket_address(listen, out.family));
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0) {
    return fail_errno(Errc::io_failed, "cannot listen on " + format_endpoint(listen));
  }
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) != 0)
    return fail_errno(Errc::io_failed, "getsockname");
  out.local = to_endpoint(&local, size);
  return out;
}

std::uint32_t dropped_by_kernel(int fd) {
  std::array<std::uint32_t, SK_MEMINFO_VARS> values{};
  socklen_t size = sizeof values;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values.data(), &size) != 0) return 0;
  return values[SK_MEMINFO_DROPS];
}

}  // namespace akm::io
