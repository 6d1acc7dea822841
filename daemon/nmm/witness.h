#pragma once
// Who has spoken in a node's name, and from which machine: what an operator compares when there are two.
#include <cstdint>
#include <string>

#include "daemon/protocol/machine_evidence.h"

namespace akm::nmm {

inline constexpr std::size_t kWitnessTextBytes = 128;

struct Witness {
  protocol::Digest32 hardware_value{};  // zeros: not known (its frames were refused)
  protocol::MachineEvidence machine;
  std::string peer;        // where it was heard
  std::uint64_t at_s = 0;  // on the running clock
  std::string what;        // what it did: "activate", "cloned-identity", ...

  /// But for when: the same again is no news.
  [[nodiscard]] bool same_as(const Witness& other) const;
};

void write_witness(protocol::CborWriter& writer, const Witness& witness);
Witness read_witness(protocol::CborReader& reader);

}  // namespace akm::nmm
