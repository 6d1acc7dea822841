#pragma once
// Who sits on the network with a recorder, and members that went bad: put out, they stay, listen to
// everything, replay it and seal frames under the keys that they still have; put in, they say what no honest
// member says.
#include <cstdint>
#include <deque>
#include <set>

#include "daemon/protocol/chain_link.h"
#include "daemon/protocol/session_payload.h"
#include "tests/sim/domain.h"
#include "tests/sim/fleet.h"

namespace akm::sim {

class Adversary final : public Observer {
 public:
  Adversary(Fleet& fleet, std::uint64_t seed) : fleet_(fleet), seed_(seed) {}

  void replay(std::uint32_t which, std::uint32_t how);
  /// The machine lies once, with its next stored candidate.
  void corrupt(std::size_t machine, std::uint32_t how) { liars_[machine] = how; }

  /// Not a person but bad luck: the machine stands still, unheard, with its next candidate of a chain above.
  void stall(std::size_t machine, std::uint32_t how) { stalls_[machine] = how; }
  void end_faults() { stalls_.clear(); }

  void started(std::size_t machine) override;
  void effect(std::size_t machine, const protocol::Effect& effect, bool done) override;

 private:
  struct Recorded {
    std::vector<std::uint8_t> bytes;
    std::uint32_t from = 0;
    std::uint32_t to = 0;
  };
  /// As whom, and to whom, a machine seals a frame.
  struct Guise {
    std::optional<std::size_t> as;  // none: as itself
    std::optional<std::size_t> to;  // none: to all others
    Origin origin{};
  };
  void record(std::size_t machine, const Endpoint& to, std::span<const std::uint8_t> bytes);
  /// A frame for one machine comes to another.
  void turn(const Recorded& frame);
  void stand_still(std::size_t machine);
  void forge(std::size_t machine);
  void forge_data(std::size_t machine, const Guise& guise);
  void lie(std::size_t machine, std::uint32_t how);
  void seal_session(std::size_t machine, const HeldKey& key, const protocol::SessionPayload& payload,
                    Origin origin);
  void seal_and_send(std::size_t machine, const HeldKey& key, protocol::FrameType type,
                     std::span<const std::uint8_t> plain, const Guise& guise);
  [[nodiscard]] const HeldKey* held_key(std::size_t machine) const;

  Fleet& fleet_;
  std::uint64_t seed_;
  std::deque<Recorded> recorded_;
  std::map<std::size_t, std::uint32_t> liars_;
  std::map<std::size_t, std::uint32_t> stalls_;
  std::size_t overheard_ = 0;
  std::uint64_t sealed_ = 0;
  std::uint64_t seen_ = 0;  // frames on the network
};

}  // namespace akm::sim
