#pragma once
// A bound UDP socket with the options that both backends need, and addresses to and from Endpoint.
#include <sys/socket.h>

#include <cstdint>

#include "daemon/base/endpoint.h"
#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm::io {

/// What a datagram may be at most; a longer one arrives cut, and is then longer than any frame (section 4).
inline constexpr std::size_t kDatagramMaxBytes = 1984;

/// An address in the form of one socket's family.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

/// `family` AF_INET or AF_INET6. An IPv6 address has no IPv4 form: invalid_argument.
Result<SocketAddress> to_socket_address(const Endpoint& endpoint, int family);
/// Bytes of a sockaddr as the kernel wrote it; an empty endpoint for a family that is not IP.
Endpoint to_endpoint(const void* address, std::size_t size);

struct UdpSocket {
  UniqueFd fd;
  int family = 0;
  Endpoint local;
};

/// IPv4 addresses get an IPv4 socket, IPv6 ones an IPv6 socket; "[::]" serves both. Never fragmented on the
/// way (DF is set, path MTU messages are not believed). Buffers as large as the system allows, up to 4 MiB.
/// io_failed.
Result<UdpSocket> open_udp_socket(const Endpoint& listen);
/// A socket that receives what is sent to `group`, on the interface that has the address `local` (0.0.0.0:
/// the one that the routes give; several daemons of a machine may share the group). invalid_argument for what
/// is no group address, not_found when no interface has `local`.
Result<UdpSocket> open_group_socket(const Endpoint& group, const Endpoint& local);
/// Datagrams that the kernel dropped because the receive buffer was full (SO_MEMINFO).
std::uint32_t dropped_by_kernel(int fd);

}  // namespace akm::io
