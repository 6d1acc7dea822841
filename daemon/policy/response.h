#pragma once
// The node's answer to a detection: which of its local responses, how often (docs/detections.md, Responses).
#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/base/result.h"
#include "daemon/policy/detection.h"

namespace akm::policy {

/// What a node does by itself. Eviction is not among them: only the NMM decides that (adjudication.h).
enum class Response : std::uint8_t {
  revoke_local,  // session keys of all operational ASRs, in keyring and memory; always first
  report,        // breach-report under the provisioning ASR
  rekey,         // the node's ASRs, staying a member
  signal,        // D-Bus
  log,
};
std::string_view response_name(Response response);  // "revoke-local", ...
std::optional<Response> response_by_name(std::string_view name);

enum class Mode : std::uint8_t { observe, enforce };
std::string_view mode_name(Mode mode);
std::optional<Mode> mode_by_name(std::string_view name);

/// How often one grade of one class may lead to responses that tell or cost something: all but log, and but
/// revoke-local and its report, which an attacker must not be able to use up.
struct RateLimit {
  std::uint32_t count = 10;
  std::uint32_t window_s = 60;
};

struct ClassPolicy {
  Mode mode = Mode::observe;
  std::vector<Response> on_observe;
  std::vector<Response> on_evidence;
  std::vector<Response> on_critical;
  RateLimit limit;
};

struct NodePolicy {
  std::array<ClassPolicy, kDetectionClassCount> classes;
  ClassPolicy& of(DetectionClass detection) { return classes[static_cast<std::size_t>(detection)]; }
  [[nodiscard]] const ClassPolicy& of(DetectionClass detection) const {
    return classes[static_cast<std::size_t>(detection)];
  }
  /// config_invalid naming the class: revoke-local, rekey or report asked for at grade observe; count or
  /// window 0 or above their limits.
  [[nodiscard]] Status check() const;
};
/// docs/detections.md: enforce on the keyring, ptrace and state classes and on cloned identities; observe
/// elsewhere.
NodePolicy default_node_policy();

struct Decision {
  Grade grade = Grade::observe;
  std::vector<Response> actions;   // in the order of the enum: revoke first
  std::vector<Response> would_do;  // in mode observe, or over the limit: what was left out
  bool rate_limited = false;
  std::string reason;  // one sentence for the audit record
};

/// Decides, and remembers for the rate limits. Time is an argument.
class Responder {
 public:
  explicit Responder(NodePolicy policy) : policy_(std::move(policy)) {}
  Decision decide(const Detection& detection, Instant now);
  [[nodiscard]] const NodePolicy& policy() const { return policy_; }

 private:
  NodePolicy policy_;
  // By class and grade, each bounded by the class's count: attempts that anybody can make do not use up what
  // a breach needs.
  std::array<std::array<std::deque<Instant>, kGradeCount>, kDetectionClassCount> answered_;
};

}  // namespace akm::policy
