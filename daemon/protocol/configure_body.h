#pragma once
// Body of `configure` (section 7, "The Root"): what the Root's records say of an NMM's nodes and ASRs. As in
// root_body.h; a configuration that does not fit into one body comes in parts.
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "daemon/protocol/control_body.h"
#include "daemon/protocol/provisioning.h"

namespace akm::protocol {

inline constexpr std::size_t kConfiguredNodes = 1024;    // in one part
inline constexpr std::size_t kConfiguredPolicies = 256;  // in one part
inline constexpr std::size_t kConfiguredParts = 64;
inline constexpr std::size_t kConfiguredFields = 32;  // of one policy
inline constexpr std::size_t kConfiguredTextBytes = 256;

/// A node that the Root has a record of.
struct ExpectedNode {
  NodeId id = 0;
  std::string name;
  std::vector<std::string> endpoints;
  bool operator==(const ExpectedNode&) const = default;
};

/// Names and values of policy fields (section 8), as people write them.
using PolicyText = std::map<std::string, std::string>;

struct ConfigureRequest {
  bool more = false;       // another part follows
  std::uint32_t part = 0;  // from 0
  std::vector<ExpectedNode> nodes;
  std::vector<std::pair<AsrId, PolicyText>> policies;  // fields that the ASR is to have
  [[nodiscard]] Body encode() const;
  /// malformed.
  static Result<ConfigureRequest> decode(BodyView body);
  [[nodiscard]] bool empty() const { return nodes.empty() && policies.empty(); }
  bool operator==(const ConfigureRequest&) const = default;
};

/// In parts that fit into one body each; at least one. limit_exceeded above kConfiguredParts.
Result<std::vector<ConfigureRequest>> in_parts(const ConfigureRequest& whole);

}  // namespace akm::protocol
