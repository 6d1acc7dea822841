#pragma once
// A node's part of section 6, without its daemon: carries requests out and answers them; reports a breach
// until somebody has heard it.
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "tests/sim/domain.h"
#include "tests/sim/fleet.h"

namespace akm::sim {

class Members {
 public:
  explicit Members(Fleet& fleet) : fleet_(fleet) {}

  /// Erases its operational keys, then tells the NMM.
  void breached(std::size_t machine);
  /// A request that changes nothing here, to see that it is executed once.
  void ask(std::size_t from, std::size_t node, bool large);
  void report(std::size_t machine, protocol::Effect& effect);
  /// Also at the first start.
  void restarted(std::size_t machine);
  [[nodiscard]] bool settled() const { return unheard_.empty(); }
  /// Its breach is known by another way.
  void forget(std::size_t machine) { unheard_.erase(machine); }

 private:
  void tell(std::size_t machine);
  void tell_if_unheard(std::size_t machine);
  /// An NMM that has restarted learns by it where the node is.
  void heartbeat(std::size_t machine, std::uint32_t incarnation);
  void resync(std::size_t machine, std::uint32_t generation, std::uint32_t incarnation);
  void executed(std::size_t machine, const protocol::RequestReceived& request);
  void install(std::size_t machine, const protocol::RequestReceived& request);
  /// Posts an event, and its outcome as the answer.
  void carry_out(std::size_t machine, const protocol::RequestReceived& request, protocol::Event event);
  void answer(std::size_t machine, protocol::AsrId id, std::uint32_t request, protocol::Method method,
              protocol::ControlStatus status);

  Fleet& fleet_;
  std::set<std::size_t> unheard_;  // breaches; durable, as in the daemon
  std::map<std::size_t, std::pair<std::uint32_t, std::uint32_t>> exhausted_;  // generation, own incarnation
  std::uint32_t asked_ = 0;
};

}  // namespace akm::sim
