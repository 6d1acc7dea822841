#include "daemon/watch/packet_sockets.h"

#include <linux/if_packet.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "daemon/watch/netlink.h"
#include "daemon/watch/system_file.h"

namespace akm::watch {
namespace {

constexpr std::size_t kSocketsMax = 256;
constexpr std::size_t kDescriptorsMax = 131072;  // of all processes, in one look

template <typename T>
T read_as(std::span<const std::uint8_t> bytes) {
  T out{};
  if (bytes.size() >= sizeof out) std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

bool is_promiscuous(std::span<const std::uint8_t> memberships) {
  for (; memberships.size() >= sizeof(packet_diag_mclist);
       memberships = memberships.subspan(sizeof(packet_diag_mclist))) {
    if (read_as<packet_diag_mclist>(memberships).pdmc_type == PACKET_MR_PROMISC) return true;
  }
  return false;
}

/// The inode of "socket:[123]".
std::optional<std::uint32_t> socket_inode(std::string_view link) {
  constexpr std::string_view kBegin = "socket:[";
  if (!link.starts_with(kBegin)) return std::nullopt;
  std::uint32_t out = 0;
  const char* const end = link.data() + link.size();
  if (std::from_chars(link.data() + kBegin.size(), end, out).ec != std::errc{}) return std::nullopt;
  return out;
}

/// Those of `wanted` that a process has open. `left`: descriptors that may be looked at still.
std::set<std::uint32_t> sockets_of(const std::filesystem::path& process,
                                   const std::set<std::uint32_t>& wanted, std::size_t& left) {
  std::set<std::uint32_t> out;
  std::error_code error;
  std::filesystem::directory_iterator at(process / "fd", error);
  for (; !error && at != std::filesystem::directory_iterator() && left > 0; --left) {
    const auto inode = socket_inode(read_link(at->path().string()).value_or(""));
    if (inode && wanted.contains(*inode)) out.insert(*inode);
    at.increment(error);
  }
  return out;
}

std::string fact_of(const PacketSocket& socket) {
  return std::string(socket.promiscuous ? "promiscuous, " : "") + "protocol " +
         std::to_string(socket.protocol) + ", uid " + std::to_string(socket.uid);
}

}  // namespace

std::optional<std::vector<PacketSocket>> packet_sockets() {
  auto netlink = Netlink::open(NETLINK_SOCK_DIAG);
  if (!netlink) return std::nullopt;
  packet_diag_req request{};
  request.sdiag_family = AF_PACKET;
  request.pdiag_show = PACKET_SHOW_INFO | PACKET_SHOW_MCLIST;
  std::vector<PacketSocket> out;
  const std::span body(reinterpret_cast<const std::uint8_t*>(&request), sizeof request);
  const Status asked = netlink->ask(
      SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, body, [&](std::uint16_t type, std::span<const std::uint8_t> payload) {
        if (type != SOCK_DIAG_BY_FAMILY || payload.size() < sizeof(packet_diag_msg) ||
            out.size() >= kSocketsMax)
          return;
        const auto head = read_as<packet_diag_msg>(payload);
        const std::size_t skip = sizeof(packet_diag_msg);
        out.push_back({.inode = head.pdiag_ino,
                       .protocol = head.pdiag_num,
                       .uid = read_as<std::uint32_t>(attribute(payload, skip, PACKET_DIAG_UID)),
                       .promiscuous = is_promiscuous(attribute(payload, skip, PACKET_DIAG_MCLIST))});
      });
  if (!asked) return std::nullopt;
  return out;
}

std::map<std::uint32_t, SocketOwner> owners_of_sockets(const std::string& proc,
                                                       const std::set<std::uint32_t>& inodes) {
  std::map<std::uint32_t, SocketOwner> out;
  std::size_t left = inodes.empty() ? 0 : kDescriptorsMax;
  std::error_code error;
  std::filesystem::directory_iterator at(proc, error);
  for (; !error && at != std::filesystem::directory_iterator() && left > 0 && out.size() < inodes.size();) {
    const std::string pid = at->path().filename().string();
    const std::string folder = at->path().string();
    const bool number = std::ranges::all_of(pid, [](char one) { return one >= '0' && one <= '9'; });
    for (const std::uint32_t inode : number ? sockets_of(folder, inodes, left) : std::set<std::uint32_t>()) {
      out.try_emplace(inode, pid, read_system_value(folder + "/comm").value_or("unknown"),
                      read_link(folder + "/exe").value_or("unknown"));
    }
    at.increment(error);
  }
  return out;
}

Collect PacketSockets::collect() const {
  return [state = state_]() -> Result<Facts> {
    const auto sockets = packet_sockets();
    if (!sockets) return fail(Errc::not_supported, "packet sockets");
    Facts facts;
    std::map<std::string, Known> known;
    std::set<std::uint32_t> added;
    for (const PacketSocket& one : *sockets) {
      const std::string name = "packet socket " + std::to_string(one.inode);
      facts.emplace(name, fact_of(one));
      const auto before = state->known.find(name);
      // Who held it when it was new: it may be passed on, and be nobody's in the end.
      if (before == state->known.end()) added.insert(one.inode);
      known.emplace(name, Known{one, before == state->known.end() ? std::nullopt : before->second.owner});
    }
    const auto owners = owners_of_sockets(state->proc, added);
    for (auto& [name, one] : known) {
      if (const auto found = owners.find(one.socket.inode); found != owners.end()) one.owner = found->second;
    }
    state->known = std::move(known);
    return facts;
  };
}

Judge PacketSockets::judge() const {
  return [state = state_](const Differences& differences, Instant now, const Tell& tell) {
    for (const Change& change : differences.changes) {
      policy::Detection detection = seen(policy::DetectionClass::packet_capture, now, change);
      // DHCP clients and LLDP have such sockets all day.
      if (!change.after.starts_with("promiscuous")) detection.at_most = policy::Grade::observe;
      if (const auto found = state->known.find(change.name); found != state->known.end()) {
        detection.subject.emplace("uid", std::to_string(found->second.socket.uid));
        if (const auto& owner = found->second.owner) {
          detection.subject.emplace("pid", owner->pid);
          detection.subject.emplace("comm", owner->comm);
          detection.subject.emplace("exe", owner->exe);
        }
      }
      tell(detection);
    }
  };
}

}  // namespace akm::watch
