#pragma once
// Who has spoken in a node's name, and from which machine: what an operator compares when there are two.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/endpoint.h"
#include "daemon/protocol/control_body.h"
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

/// Who sends `body`, as it says of itself; when is left to whoever keeps it.
Witness witness_of(const protocol::ActivateRequest& body, const Endpoint& from, std::string_view what);

/// The sources that are not as they were at the machine that was activated; empty: not known.
std::string changed_between(const std::optional<Witness>& activated, const protocol::ActivateRequest& body);

void write_witness(protocol::CborWriter& writer, const Witness& witness);
Witness read_witness(protocol::CborReader& reader);

}  // namespace akm::nmm
