#pragma once
// D25: sockets that see the packets of others, with the process that holds them.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/watch/baseline.h"
#include "daemon/watch/watch.h"

namespace akm::watch {

struct PacketSocket {
  std::uint32_t inode = 0;
  std::uint16_t protocol = 0;  // ETH_P_ALL: everything
  std::uint32_t uid = 0;
  bool promiscuous = false;
};
/// Those of our network namespace, by NETLINK_SOCK_DIAG; at most 256.
std::optional<std::vector<PacketSocket>> packet_sockets();

struct SocketOwner {
  std::string pid;
  std::string comm;
  std::string exe;
};
/// Who has the socket open, by the descriptors in `proc`; none when nobody is found.
std::optional<SocketOwner> owner_of_socket(const std::string& proc, std::uint32_t inode);

class PacketSockets final : public Watch {
 public:
  explicit PacketSockets(std::string proc = "/proc") : proc_(std::move(proc)) {}
  void look(Instant now, const Tell& tell) override;

 private:
  std::string proc_;
  Baseline baseline_;
};

}  // namespace akm::watch
