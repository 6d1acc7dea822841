#pragma once
// Nodes and relationships as an NMM reports them to its Root, and as a replacement gets them back (section 7,
// "The Root").
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/protocol/asr.h"
#include "daemon/protocol/body_fields.h"

namespace akm::protocol {

inline constexpr std::size_t kAsrsOfReportedNode = 64;

/// What a node's credentials were derived from.
struct Derivation {
  std::uint32_t serial = 0;
  std::uint32_t root = 1;     // number of the provisioning root secret
  Digest32 hardware_value{};  // zeros: not known
  bool operator==(const Derivation&) const = default;
};

/// A node as its NMM knows it: all that a replacement needs to be its NMM.
struct ReportedNode {
  std::uint64_t change = 0;
  NodeId id = 0;
  AsrId provisioning_asr = 0;
  std::string name;
  std::string peer;        // where it was heard; empty: never
  std::uint8_t state = 0;  // 0 prepared, 1 active, 2 silent, 3 quarantined, 4 retired
  Derivation newest;
  std::optional<Derivation> prior;  // that it may still be on: the newest is on its way
  std::uint32_t activated = 0;      // the serial that it has activated with; 0: none
  bool binding = false;             // the newest serial travels in an install
  std::string version;
  std::vector<std::string> endpoints;
  std::set<AsrId> evicted;
  Body attestation_key;  // empty: none
  std::optional<Digest32> pcr_digest;
  bool golden = false;   // an operator has said what it is to be
  bool zeroize = false;  // retired, and has not confirmed that it is erased
  bool operator==(const ReportedNode&) const = default;
  [[nodiscard]] Body encode() const;
  static Result<ReportedNode> decode(BodyView body);
};

/// A relationship that an NMM made; names and endpoints of members are those of their nodes.
struct ReportedAsr {
  std::uint64_t change = 0;
  AsrId id = 0;
  std::string label;
  Suite suite = Suite::hkdf_sha256_aes256gcm;
  std::uint32_t generation = 0;
  std::vector<std::pair<std::uint16_t, NodeId>> roster;  // by rising index
  Policy policy;
  bool operator==(const ReportedAsr&) const = default;
  [[nodiscard]] Body encode() const;
  static Result<ReportedAsr> decode(BodyView body);
};

void write_derivation(CborWriter& writer, const Derivation& from);
Derivation read_derivation(CborReader& reader);
void write_reported(CborWriter& writer, const ReportedNode& node);
void write_reported(CborWriter& writer, const ReportedAsr& asr);
ReportedNode read_reported_node(CborReader& reader);
ReportedAsr read_reported_asr(CborReader& reader);

}  // namespace akm::protocol
