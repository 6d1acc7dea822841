#pragma once
// What a backup of an NMM holds: what its Root would give a machine that takes its place (section 7), for an
// NMM that has none.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "daemon/protocol/detection_policy.h"
#include "daemon/protocol/root_body.h"

namespace akm::nmm {

struct BackupContent {
  /// Id, root secrets, the last change and the incarnation. `restore` says nothing here.
  protocol::IssueRequest issue;
  std::string name;          // of the NMM, for people
  std::uint64_t made_s = 0;  // since 1970, by the clock of the machine; for people: nothing is decided by it
  std::vector<protocol::ReportedNode> nodes;                  // by rising id
  std::vector<protocol::ReportedAsr> asrs;                    // by rising id
  std::map<std::string, protocol::DetectionPolicy> policies;  // on detections, by scope

  /// The two parts: only the first is secret.
  [[nodiscard]] SecretBuffer encode_secrets() const { return issue.encode(); }
  [[nodiscard]] protocol::Body encode_records() const;
  /// malformed also where the parts do not fit together: a node without its secret, a member without its
  /// record, an id or a name twice.
  static Result<BackupContent> decode(protocol::BodyView secrets, protocol::BodyView records);
};

}  // namespace akm::nmm
