#pragma once
// Who is who in a simulated domain: machine 0 is the NMM, each other one a node with a provisioning ASR of
// its own; one group of nodes.
#include <string>
#include <string_view>

#include "daemon/protocol/asr.h"
#include "tests/sim/wire.h"

namespace akm::sim {

inline constexpr std::size_t kManager = 0;
inline constexpr protocol::AsrId kGroup = 0x6000;
[[nodiscard]] constexpr protocol::AsrId link_of(std::size_t machine) {
  return 0x10000 + machine;
}
[[nodiscard]] constexpr std::size_t machine_of_link(protocol::AsrId id) {
  return static_cast<std::size_t>(id - 0x10000);
}
[[nodiscard]] constexpr protocol::NodeId node_id_of(std::size_t machine) {
  return 1000 + machine;
}
[[nodiscard]] constexpr std::size_t machine_of_node(protocol::NodeId id) {
  return static_cast<std::size_t>(id - 1000);
}
[[nodiscard]] inline std::string name_of_machine(std::size_t machine) {
  return machine == kManager ? "nmm" : "n" + std::to_string(machine);
}

/// Fresh credentials: three chains at epoch 0.
template <typename Random>
protocol::Asr fresh(protocol::AsrDescription description, Random& random) {
  protocol::Asr asr;
  asr.description = std::move(description);
  for (protocol::ChainState& chain : asr.chains) {
    (void)random.fill(chain.pdv.reveal_mutable());
    (void)random.fill(chain.seed.reveal_mutable());
  }
  return asr;
}

}  // namespace akm::sim
