#pragma once
// The network: how long a packet takes on each way, and which ways are cut.
#include <chrono>
#include <cstdint>
#include <set>
#include <unordered_map>
#include <vector>

#include "daemon/base/endpoint.h"
#include "daemon/base/instant.h"
#include "tests/sim/plan.h"

namespace akm::sim {

/// Where a packet comes from in truth.
enum class Origin : std::uint8_t { machine, replayed, forged, lie };

struct Packet {
  std::vector<std::uint8_t> bytes;
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  Instant sent;
  Origin origin = Origin::machine;
  bool damaged = false;
};

/// Machines' addresses are their numbers: 10.a.b.c.
[[nodiscard]] inline Endpoint endpoint_of(std::size_t machine) {
  Endpoint endpoint;
  endpoint.address = {0,
                      0,
                      0,
                      0,
                      0,
                      0,
                      0,
                      0,
                      0,
                      0,
                      0xff,
                      0xff,
                      10,
                      0,
                      static_cast<std::uint8_t>(machine >> 8),
                      static_cast<std::uint8_t>(machine)};
  endpoint.port = 7400;
  return endpoint;
}
[[nodiscard]] inline std::size_t machine_at(const Endpoint& endpoint) {
  return std::size_t{endpoint.address[14]} << 8 | endpoint.address[15];
}

class Wire {
 public:
  Wire(const Setting& setting, std::uint64_t seed) : setting_(setting), seed_(seed) {}

  /// Counts the packets of each way; the number names the fault points of this packet.
  std::uint64_t next_on(std::size_t from, std::size_t to) { return sent_[from << 16 | to]++; }
  /// Every way has its own pace, every packet its own luck.
  [[nodiscard]] Duration delay(std::size_t from, std::size_t to, std::uint64_t nth) const {
    const std::uint64_t pace = number_of(seed_, 2, from, to) % setting_.latency_us / 2;
    const std::uint64_t luck = number_of(seed_, 3, from, to, nth) % (setting_.latency_us / 2 + 1);
    return std::chrono::microseconds(20 + static_cast<std::int64_t>(pace + luck));
  }
  /// A partition by lot: `how` draws the sides; odd: only one direction is cut. It replaces the one before.
  void cut(std::uint32_t how) { cut_ = how + 1; }
  void heal() {
    cut_ = 0;
    mute_.clear();
  }
  /// Nothing that a machine sends arrives, until it may speak again.
  void mute(std::size_t machine) { mute_.insert(machine); }
  void unmute(std::size_t machine) { mute_.erase(machine); }
  [[nodiscard]] bool blocked(std::size_t from, std::size_t to) const {
    if (mute_.contains(from)) return true;
    if (cut_ == 0) return false;
    const bool here = side(from);
    if (here == side(to)) return false;
    return (cut_ - 1) % 2 == 0 || here;
  }

 private:
  [[nodiscard]] bool side(std::size_t machine) const { return number_of(seed_, 4, cut_, machine) % 2 != 0; }

  const Setting& setting_;
  std::uint64_t seed_;
  std::uint64_t cut_ = 0;
  std::set<std::size_t> mute_;
  std::unordered_map<std::uint64_t, std::uint64_t> sent_;
};

}  // namespace akm::sim
