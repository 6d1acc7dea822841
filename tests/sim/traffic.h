#pragma once
// The local programs: they send each other datagrams over the group (section 6a). Each datagram says who sent
// it and to whom, so that its receiver can be asked.
#include <array>
#include <cstdint>
#include <deque>
#include <set>
#include <vector>

#include "tests/sim/manager.h"
#include "tests/sim/watch.h"

namespace akm::sim {

/// First in the content of a forged datagram, where an honest one has its number.
inline constexpr std::uint64_t kForgedDatagram = UINT64_MAX;
inline constexpr std::size_t kDatagramBytes = 24;
/// Of a datagram that somebody forges: the machine that it is in truth.
[[nodiscard]] std::array<std::uint8_t, kDatagramBytes> forged_datagram(std::size_t forger);

class Traffic final : public Observer {
 public:
  Traffic(Fleet& fleet, Watch& watch, Manager& manager, const Setting& setting, std::uint64_t seed)
      : fleet_(fleet), watch_(watch), manager_(manager), setting_(setting), dice_(number_of(seed, 10)) {}

  /// From now on somebody speaks every `talk_ms`.
  void begin();
  void end() { ended_ = true; }
  /// Some datagrams of one member; `how` draws to whom, how many and how far apart.
  void say(std::size_t machine, std::uint32_t how);
  /// Where nothing is lost, all have arrived.
  void finish();

  void arriving(const Packet& packet) override { origin_ = packet.origin; }
  void delivered(const Packet& /*packet*/, const Delivery& /*delivery*/) override {
    origin_ = Origin::machine;
  }
  void effect(std::size_t machine, const protocol::Effect& effect, bool done) override;

 private:
  struct Said {
    std::array<std::uint8_t, kDatagramBytes> bytes{};  // lent to the engine while it waits for its turn
    std::size_t from = 0;
    bool sent = false;
    std::vector<std::size_t> to;
    std::set<std::size_t> heard;
  };
  void talk();
  void say_one(std::size_t machine, bool to_all, std::uint64_t lot);
  void check_heard(std::size_t machine, const protocol::DataReceived& received);
  void check_forged(std::size_t machine, std::size_t forger, const protocol::AsrView& view);

  Fleet& fleet_;
  Watch& watch_;
  Manager& manager_;
  const Setting& setting_;
  Dice dice_;
  std::deque<Said> said_;
  Origin origin_ = Origin::machine;  // of the packet that is being received
  bool ended_ = false;
};

}  // namespace akm::sim
