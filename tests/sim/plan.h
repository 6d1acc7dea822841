#pragma once
// What one history is made of: the fleet, what its network and disks do, and what happens when. All of it is
// drawn from one seed; a shrunk plan is one with less in it.
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/protocol/asr.h"
#include "tests/sim/fault_points.h"

namespace akm::sim {

/// Chances per million: of a packet, an effect, a write to the disk or to the keyring.
struct Faults {
  std::uint32_t loss = 0;
  std::uint32_t duplicate = 0;
  std::uint32_t damage = 0;
  std::uint32_t late = 0;
  std::uint32_t crash = 0;
  std::uint32_t store = 0;
  std::uint32_t key_store = 0;
};

struct Setting {
  std::uint32_t members = 2;  // of the group, at the start
  std::uint32_t spares = 0;   // provisioned nodes that can be added
  std::uint32_t copies = 0;   // machines that can become a second copy of a node
  bool managed = true;        // an NMM with a provisioning ASR to each node; some large groups go without
  protocol::Suite suite = protocol::Suite::hkdf_sha256_aes256gcm;
  protocol::Topology topology = protocol::Topology::mesh;
  bool majority = false;      // quorum
  bool lossless = false;      // nothing is lost, late or down: each datagram must arrive
  bool hasty = false;         // timeouts about as long as packets take: attempts of all chains mix
  std::uint32_t talk_ms = 0;  // a datagram of some local program this often; 0: only where an act says so
  std::uint32_t latency_us = 500;  // the longest usual delay of a packet
  std::uint32_t drift_ppm = 0;     // the most that a clock is off
  Faults faults;
};

enum class ActKind : std::uint8_t {
  rekey,   // a member wants a new epoch
  rotate,  // the NMM rekeys a provisioning ASR
  ask,     // a control request of no consequence, node to NMM or back
  add,     // a spare becomes a member
  remove,  // a member leaves
  evict,  // a member is put out, now and then without hurry (b / 2 divides by 4); it may refuse to go (b odd)
          // and listen, replay and forge from then on
  renew,  // new credentials for the same roster; at once (b odd) or by switch
  breach,  // a node erases its operational keys and reports
  crash,   // kill -9, or loss of power (b odd): the keyring is gone and the clock starts anew
  pause,   // a machine stands still
  jump,    // a clock goes forward at once, as after a suspend
  cut,     // a partition; one-way when b is odd. A new one replaces the last: it moves
  heal,    // no partition
  replay,  // recorded frames again, to whom they were sent or to others
  lie,     // a member seals what no honest one says, under the candidate that it has just stored
  say,     // local programs of a member send datagrams, to all (b odd) or to one
  clone,   // a member starts twice, from one disk, with one incarnation: both copies live
  stall,  // a member stores a candidate of a chain above, nobody hears of it, and it stands still for a while
};
inline constexpr std::size_t kActKinds = static_cast<std::size_t>(ActKind::stall) + 1;

struct Act {
  Duration at{};  // from the start of the history
  ActKind kind{};
  std::uint32_t a = 0;  // who, modulo those there are
  std::uint32_t b = 0;  // how
};
[[nodiscard]] std::string describe(const Act& act);

struct Plan {
  std::uint64_t seed = 0;
  Setting setting;
  std::vector<Act> acts;                       // by time
  std::optional<std::set<FaultPoint>> faults;  // none: by chance
};

/// Where a multicast group hears its members. Its last 16 bits are no machine's number.
inline constexpr const char* kGroupAddress = "239.192.255.255:7400";

/// Sizes of groups that a run may be held to; 0: as drawn.
[[nodiscard]] Plan draw_plan(std::uint64_t seed, std::uint32_t members = 0);
[[nodiscard]] std::string describe(const Plan& plan);
/// The policy under which all groups of a history run: short times, so that histories are short.
[[nodiscard]] protocol::Policy policy_of(const Setting& setting);

}  // namespace akm::sim
