#pragma once
// The node's answer to a detection: a function of policy, state, detection and time (docs/policy.md).
#include <array>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/policy/incident_memory.h"
#include "daemon/policy/node_policy.h"

namespace akm::policy {

struct Decision {
  Grade grade = Grade::observe;
  std::vector<Response> actions;   // in the order of the enum: revoke first
  std::vector<Response> would_do;  // in mode observe, or over the limit: what was left out
  bool rate_limited = false;
  bool repeated = false;    // this very incident was answered before
  bool remember = false;    // the state has changed in what is to outlive a restart (policy_memory.h)
  std::string excused;      // "maintenance", or the name of the allow-list's entry
  std::string combination;  // that this one completes
  std::string reason;       // one sentence for the audit record
};

/// All that a decision depends on beside its arguments. Bounded.
struct PolicyState {
  // By class and grade, each bounded by the class's count: attempts that anybody can make do not use up what
  // a breach needs.
  std::array<std::array<std::deque<Instant>, kGradeCount>, kDetectionClassCount> answered;
  IncidentMemory incidents;
  CombinationProgress combinations;
  std::optional<Instant> maintenance_until;
  [[nodiscard]] bool in_maintenance(Instant now) const {
    return maintenance_until && now < *maintenance_until;
  }
};

Decision decide(const NodePolicy& policy, PolicyState& state, const Detection& detection, Instant now);

/// The detection that a completed combination is.
Detection combined(const Detection& last, const std::string& combination);

struct Judged {
  Detection detection;
  Decision decision;
};
/// One, or two where it completes a combination: the combination's is decided on too.
std::vector<Judged> judge(const NodePolicy& policy, PolicyState& state, const Detection& detection,
                          Instant now);

/// A policy with its state. Time is an argument.
class Responder {
 public:
  explicit Responder(NodePolicy policy) : policy_(std::move(policy)) {}
  Decision decide(const Detection& detection, Instant now) {
    return policy::decide(policy_, state_, detection, now);
  }
  std::vector<Judged> judge(const Detection& detection, Instant now) {
    return policy::judge(policy_, state_, detection, now);
  }
  /// What was answered stays answered; how far combinations came does not: they may be others.
  void replace(NodePolicy policy) {
    policy_ = std::move(policy);
    state_.combinations = {};
  }
  void maintenance(std::optional<Instant> until) { state_.maintenance_until = until; }
  [[nodiscard]] const NodePolicy& policy() const { return policy_; }
  [[nodiscard]] const PolicyState& state() const { return state_; }
  PolicyState& state() { return state_; }

 private:
  NodePolicy policy_;
  PolicyState state_;
};

}  // namespace akm::policy
