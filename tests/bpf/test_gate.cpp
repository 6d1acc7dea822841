// The gate at real interfaces: a daemon's network namespace, and an attacker's at the other end of a cable.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>

#include <sys/socket.h>

#include <array>
#include <csignal>
#include <cstring>
#include <optional>

#include "bpf/loader/gate.h"
#include "daemon/base/unique_fd.h"
#include "tests/bpf/harness.h"

using namespace akm;
using namespace akm::bpf;
using namespace akm::bpf::test;

namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::uint64_t kKnown = 0x1122334455667788;

Endpoint at(const std::string& text) {
  return *parse_endpoint(text);
}

bool shell(const std::string& command) {
  if (std::system(command.c_str()) == 0) return true;
  std::printf("# failed: %s\n", command.c_str());
  return false;
}

Bytes frame(std::uint64_t asr_id = kKnown, std::uint8_t first = 0x11, std::size_t size = 60) {
  Bytes out{first, 0, 0, 0, 0, 0, 0, 1};
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(asr_id >> shift));
  out.resize(size, 0x5a);
  return out;
}

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

Address address_of(const Endpoint& endpoint) {
  Address out;
  if (endpoint.is_ipv4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, endpoint.address.data() + 12, sizeof v4.sin_addr);
    std::memcpy(&out.storage, &v4, sizeof v4);
    out.size = sizeof v4;
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, endpoint.address.data(), sizeof v6.sin6_addr);
    std::memcpy(&out.storage, &v6, sizeof v6);
    out.size = sizeof v6;
  }
  return out;
}

/// A socket in the namespace of the caller.
UniqueFd bound(const Endpoint& endpoint) {
  const Address address = address_of(endpoint);
  UniqueFd out(::socket(endpoint.is_ipv4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const int one = 1;
  (void)::setsockopt(out.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(out.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size) != 0) {
    std::printf("# bind %s: %s\n", format_endpoint(endpoint).c_str(), std::strerror(errno));
    std::abort();
  }
  return out;
}

/// Two namespaces; the calling process is in the daemon's and can step over to the other side.
class Cable {
 public:
  Cable() {
    if (::unshare(CLONE_NEWNET) != 0) {
      std::printf("skipped: no network namespace: %s\n", std::strerror(errno));
      std::exit(77);
    }
    ours_.reset(open_own());
    if (::unshare(CLONE_NEWNET) != 0) std::abort();
    theirs_.reset(open_own());
    enter(ours_);
    const std::string other = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(theirs_.get());
    // accept_dad: addresses are to be there at once.
    if (!shell("ip link add cable0 type veth peer name cable1 netns " + other +
               " && sysctl -qw net.ipv6.conf.cable0.accept_dad=0 && "
               "ip addr add 10.9.0.1/24 dev cable0 && ip -6 addr add fd00:9::1/64 dev cable0 nodad && ip "
               "link set cable0 up && "
               "ip link set lo up")) {
      std::exit(77);
    }
    on_their_side([] {
      if (!shell("ip addr add 10.9.0.2/24 dev cable1 && ip addr add 10.9.0.3/24 dev cable1 && "
                 "ip -6 addr add fd00:9::2/64 dev cable1 nodad && ip link set cable1 up")) {
        std::exit(77);
      }
    });
  }

  void on_their_side(const std::function<void()>& act) const {
    enter(theirs_);
    act();
    enter(ours_);
  }
  /// Sends from the other side.
  void send(const Endpoint& from, const Endpoint& to, const std::vector<Bytes>& datagrams) const {
    on_their_side([&] {
      const UniqueFd socket = bound(from);
      const Address address = address_of(to);
      for (const Bytes& one : datagrams)
        (void)::sendto(socket.get(), one.data(), one.size(), 0,
                       reinterpret_cast<const sockaddr*>(&address.storage), address.size);
    });
  }

 private:
  static int open_own() {
    const int fd = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0) std::abort();
    return fd;
  }
  static void enter(const UniqueFd& ns) {
    if (::setns(ns.get(), CLONE_NEWNET) != 0) std::abort();
  }
  UniqueFd ours_;
  UniqueFd theirs_;
};

constexpr int kPatience_ms = 5000;

/// How many datagrams come: those that are to come are waited for, and quiet for a while means that there are
/// no more.
std::size_t received(const UniqueFd& socket, std::size_t expected) {
  std::size_t out = 0;
  for (pollfd poll{socket.get(), POLLIN, 0}; ::poll(&poll, 1, out < expected ? kPatience_ms : 100) == 1;
       ++out) {
    std::array<char, 2048> room{};
    (void)::recv(socket.get(), room.data(), room.size(), 0);
  }
  return out;
}

/// The counters, once the gate has judged so many datagrams since it was opened: what is sent reaches it a
/// little later.
std::map<std::string, std::uint64_t> counters_after(const Gate& gate, std::uint64_t datagrams) {
  for (int left_ms = kPatience_ms;; --left_ms) {
    auto counters = gate.counters();
    std::uint64_t judged = 0;
    for (const auto& [name, count] : counters) {
      if (name.starts_with("gate_passed_") || name.starts_with("gate_dropped_")) judged += count;
    }
    if (judged >= datagrams || left_ms == 0) return counters;
    (void)::poll(nullptr, 0, 1);
  }
}

/// The link and the addresses of neighbours come up a moment after they were set up.
void wait_for_link(const Cable& cable, const Endpoint& from, const Endpoint& to, const UniqueFd& socket) {
  for (int left = 200; left > 0; --left) {
    cable.send(from, to, {frame()});
    if (received(socket, 0) > 0) return;
  }
}

std::unique_ptr<Gate> open_or_end(const GateOptions& options) {
  auto gate = Gate::open(options);
  if (!gate) {
    std::printf("skipped: %s\n", gate.error().message().c_str());
    std::exit(77);
  }
  (*gate)->know(kKnown);
  (void)(*gate)->check();
  std::printf("# %s%s%s\n", (*gate)->health().how.c_str(),
              (*gate)->health().attached ? "" : ", degraded: ", (*gate)->health().detail.c_str());
  return std::move(*gate);
}

const std::vector<Bytes> kMixed{frame(), frame(kKnown + 1), frame(kKnown, 0x21), frame(kKnown, 0x11, 20),
                                frame()};

void each_hook(const Cable& cable) {
  for (const char* text : {"10.9.0.1:7400", "[fd00:9::1]:7400"}) {
    const Endpoint us = at(text);
    const Endpoint them = at(us.is_ipv4() ? "10.9.0.2:5000" : "[fd00:9::2]:5000");
    const UniqueFd socket = bound(us);
    wait_for_link(cable, them, us, socket);
    cable.send(them, us, kMixed);
    expect(received(socket, kMixed.size()) == kMixed.size(), "without a gate all arrives");
    for (const GateMode mode : {GateMode::automatic, GateMode::xdp, GateMode::xdp_generic, GateMode::tc}) {
      const auto gate = open_or_end({.listen = us, .mode = mode});
      expect(mode != GateMode::automatic || gate->health().how.find("XDP") == std::string::npos,
             "a classifier at a container's cable");
      expect(gate->health().attached, "it hangs at the interface that carries " + std::string(text));
      cable.send(them, us, kMixed);
      const auto counters = counters_after(*gate, kMixed.size());
      expect(received(socket, 2) == 2, "the two that can be frames arrive by " + gate->health().how);
      expect(counters.at("gate_passed_other") == 2 && counters.at("gate_dropped_unknown_asr") == 1 &&
                 counters.at("gate_dropped_form") == 1 && counters.at("gate_dropped_short") == 1,
             "and each has its reason");
    }
    cable.send(them, us, kMixed);
    expect(received(socket, kMixed.size()) == kMixed.size(), "the gate is gone with its owner");
  }
}

void vouched_is_not_limited(const Cable& cable) {
  const Endpoint us = at("10.9.0.1:7400");
  const UniqueFd socket = bound(us);
  const auto gate = open_or_end({.listen = us, .source_per_s = 1});
  gate->vouch(at("10.9.0.3:7400"), std::chrono::hours(1));
  const std::vector<Bytes> many(100, frame());
  cable.send(at("10.9.0.2:7400"), us, many);
  (void)counters_after(*gate, many.size());
  const std::size_t strangers = received(socket, 1);
  expect(strangers >= 1 && strangers < 10, "a stranger is kept to its rate");
  cable.send(at("10.9.0.3:7400"), us, many);
  expect(received(socket, many.size()) == many.size(), "who is vouched for is not");
  cable.send(at("10.9.0.3:7401"), us, many);
  const auto counters = counters_after(*gate, 3 * many.size());
  expect(received(socket, 0) < 10, "the same address with another port is a stranger");
  expect(counters.at("gate_passed_vouched") == 100 &&
             counters.at("gate_passed_other") + counters.at("gate_dropped_source") == 200,
         "the counters add up");
  gate->vouch(at("10.9.0.3:7400"), Duration{0});
  cable.send(at("10.9.0.3:7400"), us, many);
  (void)counters_after(*gate, 4 * many.size());
  expect(received(socket, 0) < 10, "no longer than it was said");
}

/// An owner that is killed, or stopped, takes nothing along.
void fails_open(const Cable& cable) {
  const Endpoint us = at("10.9.0.1:7400");
  const Endpoint them = at("10.9.0.2:5000");
  const UniqueFd socket = bound(us);
  for (const GateMode mode : {GateMode::automatic, GateMode::tc}) {
    const int ended = in_child([&] {
      const auto gate = open_or_end({.listen = us, .mode = mode});
      std::fflush(stdout);
      return gate->health().attached ? ::kill(::getpid(), SIGKILL) : 1;
    });
    expect(ended == 128, "the owner is killed");
    cable.send(them, us, kMixed);
    expect(received(socket, kMixed.size()) == kMixed.size(), "and all arrives");
  }
  const auto gate = open_or_end({.listen = us, .answer_within = Duration{1}});
  cable.send(them, us, kMixed);
  expect(received(socket, kMixed.size()) == kMixed.size() &&
             gate->counters().at("gate_passed_open") == kMixed.size(),
         "an owner that does not answer for it has an open gate");
}

/// What goes to other machines, other ports, or in fragments, is none of its business.
void leaves_others_alone(const Cable& cable) {
  const auto gate = open_or_end({.listen = at("10.9.0.1:7400")});
  (void)shell("ip addr add 10.9.0.11/24 dev cable0");
  const UniqueFd other_port = bound(at("10.9.0.1:7401"));
  const UniqueFd other_address = bound(at("10.9.0.11:7400"));
  const UniqueFd own = bound(at("10.9.0.1:7400"));
  const Endpoint them = at("10.9.0.2:5000");
  cable.send(them, at("10.9.0.1:7401"), kMixed);
  expect(received(other_port, kMixed.size()) == kMixed.size(), "another port");
  cable.send(them, at("10.9.0.11:7400"), kMixed);
  expect(received(other_address, kMixed.size()) == kMixed.size(), "another address of this machine");
  cable.send(them, at("10.9.0.1:7400"), {Bytes(3000, 0xff)});
  expect(received(own, 1) == 1 && gate->counters().at("gate_passed_fragment") == 1,
         "a datagram in fragments");
  gate->forget(kKnown);
  cable.send(them, at("10.9.0.1:7400"), {frame()});
  (void)counters_after(*gate, 2);
  expect(received(own, 0) == 0, "what is forgotten is unknown");
  (void)shell("ip addr del 10.9.0.11/24 dev cable0");
}

void any_address(const Cable& cable) {
  const auto gate = open_or_end({.listen = at("0.0.0.0:7400")});
  expect(gate->health().how.find("cable0: ") == 0 && gate->health().how.find("lo: ") == std::string::npos,
         "any address: at all interfaces but the loopback");
  const UniqueFd socket = bound(at("0.0.0.0:7400"));
  cable.send(at("10.9.0.2:5000"), at("10.9.0.1:7400"), kMixed);
  expect(received(socket, 2) == 2, "every address of this machine is guarded");
  (void)shell("ip addr add 10.9.0.12/24 dev cable0");
  (void)gate->check();
  cable.send(at("10.9.0.2:5000"), at("10.9.0.12:7400"), kMixed);
  expect(received(socket, 2) == 2, "one that comes, from the next check on");
  (void)shell("ip addr del 10.9.0.12/24 dev cable0");
  (void)shell("ip link set cable0 down");
  expect(gate->check().empty() && !gate->health().attached,
         "an interface that goes was not taken down by anybody");
  (void)shell("ip link set cable0 up");
  expect(gate->check().empty() && gate->health().attached, "and it hangs there again when it comes");
}

void vlan(const Cable& cable) {
  if (!shell("ip link add link cable0 name cable0.5 type vlan id 5 2>/dev/null")) {
    std::printf("# skipped: this kernel has no VLAN devices; tagged packets are in test_gate_judgement\n");
    return;
  }
  (void)shell("ip addr add 10.9.5.1/24 dev cable0.5 && ip link set cable0.5 up");
  cable.on_their_side([] {
    (void)shell(
        "ip link add link cable1 name cable1.5 type vlan id 5 && ip addr add 10.9.5.2/24 dev cable1.5 && "
        "ip link set cable1.5 up");
  });
  {
    const auto gate = open_or_end({.listen = at("0.0.0.0:7400")});
    expect(gate->health().how.find("cable0.5: ") != std::string::npos, "at a VLAN too");
    const UniqueFd socket = bound(at("0.0.0.0:7400"));
    cable.send(at("10.9.5.2:5000"), at("10.9.5.1:7400"), kMixed);
    expect(received(socket, 2) == 2, "in a VLAN");
  }
  cable.on_their_side([] { (void)shell("ip link del cable1.5"); });
  (void)shell("ip link del cable0.5");
}

void group(const Cable& cable) {
  const Endpoint group = at("239.1.2.3:7500");
  const auto gate = open_or_end({.listen = at("10.9.0.1:7400")});
  const UniqueFd socket = bound(group);
  ip_mreqn member{};
  member.imr_multiaddr.s_addr = inet_addr("239.1.2.3");
  member.imr_address.s_addr = inet_addr("10.9.0.1");
  expect(::setsockopt(socket.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof member) == 0, "joined");
  cable.on_their_side([] { (void)shell("ip route add 239.0.0.0/8 dev cable1"); });
  cable.send(at("10.9.0.2:5000"), group, kMixed);
  expect(received(socket, kMixed.size()) == kMixed.size(), "a group that it was not told of");
  gate->add_group(group);
  cable.send(at("10.9.0.2:5000"), group, kMixed);
  expect(received(socket, 2) == 2, "a group that it was told of");
}

/// The newest link is that of the gate that was made last: other daemons' are left alone.
UniqueFd newest_xdp_link() {
  UniqueFd out;
  for (std::uint32_t id = 0; bpf_link_get_next_id(id, &id) == 0;) {
    UniqueFd link(bpf_link_get_fd_by_id(id));
    bpf_link_info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(link.get(), &info, &size) != 0 || info.type != BPF_LINK_TYPE_XDP) continue;
    const bool here = info.xdp.ifindex == ::if_nametoindex("cable0");
    if (here) out = std::move(link);
  }
  return out;
}

void taken_down() {
  const auto gate = open_or_end({.listen = at("10.9.0.1:7400"), .mode = GateMode::xdp});
  expect(bpf_link_detach(newest_xdp_link().get()) == 0, "somebody detaches it");
  const auto gone = gate->check();
  expect(gone.size() == 1 && gone[0] == "XDP at cable0", "the check says so");
  expect(gate->health().attached && gate->check().empty(), "and hangs it again");
}

void scans(const Cable& cable) {
  const auto gate = open_or_end({.listen = at("10.9.0.1:7400")});
  cable.on_their_side([] {
    for (std::uint16_t port = 1; port <= 40; ++port) {
      const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      const Address address = address_of(at("10.9.0.1:" + std::to_string(port)));
      (void)::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size);
      pollfd refused{socket.get(), POLLOUT, 0};  // once it is, the gate has seen it
      (void)::poll(&refused, 1, kPatience_ms);
    }
  });
  std::vector<Bytes> tries;
  for (std::uint64_t id = 1; id <= 30; ++id) tries.push_back(frame(id));
  cable.send(at("10.9.0.3:5000"), at("10.9.0.1:7400"), tries);
  (void)counters_after(*gate, tries.size());
  const auto found = gate->take_scans();
  const GateScan* ports = nullptr;
  const GateScan* asrs = nullptr;
  for (const GateScan& one : found) {
    if (one.ports > 0) ports = &one;
    if (one.asrs > 0) asrs = &one;
  }
  expect(found.size() == 2 && ports != nullptr && asrs != nullptr, "two sources tried something");
  expect(ports != nullptr && ports->ports >= 16 && ports->ports <= 40 && ports->source == at("10.9.0.2:0"),
         "one many ports");
  expect(asrs != nullptr && asrs->asrs >= 8 && asrs->asrs <= 30 && asrs->tries == 30 &&
             asrs->source == at("10.9.0.3:0"),
         "one many asr_ids");
  expect(gate->take_scans().empty(), "it is told once");
}

/// Two daemons on one machine, and more relationships than there is room for.
void side_by_side(const Cable& cable) {
  const auto one = open_or_end({.listen = at("10.9.0.1:7400"), .ids_max = 4});
  const auto two = open_or_end({.listen = at("10.9.0.1:7402")});
  expect(one->health().attached && two->health().attached, "both hang: " + two->health().how);
  const UniqueFd first = bound(at("10.9.0.1:7400"));
  const UniqueFd second = bound(at("10.9.0.1:7402"));
  cable.send(at("10.9.0.2:5000"), at("10.9.0.1:7400"), kMixed);
  cable.send(at("10.9.0.2:5000"), at("10.9.0.1:7402"), kMixed);
  expect(received(first, 2) == 2 && received(second, 2) == 2, "each guards its own port");
  for (std::uint64_t id = 1; id <= 4; ++id) one->know(id);
  cable.send(at("10.9.0.2:5000"), at("10.9.0.1:7400"), kMixed);
  expect(received(first, 3) == 3, "with more ids than it can hold, none is unknown");
  one->forget(1);
  cable.send(at("10.9.0.2:5000"), at("10.9.0.1:7400"), kMixed);
  expect(received(first, 2) == 2, "until they have room again");
}

}  // namespace

int main() {
  const Cable cable;
  each_hook(cable);
  vouched_is_not_limited(cable);
  fails_open(cable);
  leaves_others_alone(cable);
  any_address(cable);
  vlan(cable);
  group(cable);
  taken_down();
  scans(cable);
  side_by_side(cable);
  return finish();
}
