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

  void effect(std::size_t machine, const protocol::Effect& effect, bool done) override;

 private:
  struct Recorded {
    std::vector<std::uint8_t> bytes;
    std::uint32_t from = 0;
    std::uint32_t to = 0;
  };
  void record(std::size_t machine, const protocol::SendFrame& send);
  void forge(std::size_t machine);
  void lie(std::size_t machine, std::uint32_t how);
  void seal_and_send(std::size_t machine, const HeldKey& key, const protocol::SessionPayload& payload,
                     Origin origin);

  Fleet& fleet_;
  std::uint64_t seed_;
  std::deque<Recorded> recorded_;
  std::map<std::size_t, std::uint32_t> liars_;
  std::set<std::size_t> listening_;
  std::size_t overheard_ = 0;
  std::uint64_t sealed_ = 0;
};

}  // namespace akm::sim
