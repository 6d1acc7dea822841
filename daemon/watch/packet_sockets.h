#pragma once
// D25: sockets that see the packets of others, with the process that holds them. Looking for that process
// takes long on a machine with many, so that it is done aside.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/watch/aside_watch.h"

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
/// Who has these sockets open, by the descriptors in `proc`, in one pass over at most 131,072 of them: a
/// machine with more leaves some without an owner.
std::map<std::uint32_t, SocketOwner> owners_of_sockets(const std::string& proc,
                                                       const std::set<std::uint32_t>& inodes);

class PacketSockets {
 public:
  explicit PacketSockets(std::string proc = "/proc") : state_(std::make_shared<State>(std::move(proc))) {}
  /// The two halves of an AsideWatch; they share what is known of the owners, and are never at work at once.
  [[nodiscard]] Collect collect() const;
  [[nodiscard]] Judge judge() const;

 private:
  struct Known {
    PacketSocket socket;
    std::optional<SocketOwner> owner;
  };
  struct State {
    std::string proc;
    std::map<std::string, Known> known;  // by the name of the fact
  };
  std::shared_ptr<State> state_;
};

}  // namespace akm::watch
