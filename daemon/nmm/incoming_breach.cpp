// What a node reports of a breach, and what the NMM sees of one itself.
#include "daemon/base/clean_text.h"
#include "daemon/base/hex.h"
#include "daemon/base/message_ids.h"
#include "daemon/nmm/incoming.h"
#include "daemon/policy/grading.h"
#include "daemon/protocol/control_body.h"

namespace akm::nmm {
namespace {

using protocol::ControlStatus;

/// What a member says of an address, when it is one.
std::string endpoint_text(const std::map<std::string, std::string>& facts, const std::string& name) {
  const auto at = facts.find(name);
  if (at == facts.end()) return {};
  const auto endpoint = parse_endpoint(at->second);
  return endpoint ? format_endpoint(*endpoint) : std::string();
}

}  // namespace

Incoming::Answer Incoming::breach_report(const protocol::RequestReceived& request, const NodeRecord& node) {
  const auto body = protocol::BreachReport::decode(request.body.reveal());
  if (!body) return {ControlStatus::malformed, {}, {}};
  const auto detection = policy::detection_by_name(body->detection);
  const auto grade = policy::grade_of_severity(body->severity);
  IncidentTrack& track = parts_.recovery.track();
  const bool recorded = track.has_room(node.node_id);
  if (!detection || !grade) {
    if (!recorded) return {ControlStatus::ok, protocol::BreachDecision{"log", {}}.encode()};
    core_.announce("breach-unknown", 4, message_id::kBreachReported, "A breach report of an unknown class.",
                   0, {{"node", node.name}, {"class", clean_text(body->detection)}});
    return {ControlStatus::ok, protocol::BreachDecision{"log", {}}.encode()};
  }
  Breach breach;
  breach.node_id = node.node_id;
  breach.detection = *detection;
  breach.grade = *grade;
  breach.reported_by = node.name;
  // A time in the future or before our boot is another machine's clock, or a lie: it must not make `took`
  // nonsense.
  const auto now_ns = static_cast<std::uint64_t>(core_.now().ns);
  breach.boottime_ns = body->boottime_ns <= now_ns ? static_cast<std::int64_t>(body->boottime_ns) : 0;
  breach.incident = track.received(*body, node.node_id, recorded);
  breach.quiet = !recorded;
  const auto accused = body->subject.find("node_id");
  BreachOutcome outcome;
  if (accused == body->subject.end()) {
    outcome = parts_.recovery.breach(breach);
  } else {
    const auto node_id = parse_hex_id(accused->second);
    if (!node_id || core_.registry.node(*node_id) == nullptr) return {ControlStatus::malformed, {}, {}};
    breach.node_id = *node_id;
    breach.from = endpoint_text(body->evidence, "from");
    breach.expected_at = endpoint_text(body->evidence, "expected_at");
    outcome = parts_.recovery.accuse(breach, node.node_id);
  }
  // The node goes on reporting until it is done: its keys may be known, and the others still use them.
  if (outcome.failed) return {ControlStatus::storage_failed, {}, {}};
  return {
      ControlStatus::ok,
      protocol::BreachDecision{std::string(policy::verdict_name(outcome.verdict)), outcome.asrs}.encode()};
}

void Incoming::contradiction(const protocol::ContradictionSeen& seen) {
  const NodeRecord* node = core_.registry.node_by_provisioning_asr(seen.asr_id);
  if (node == nullptr) return;
  Breach breach;
  breach.node_id = node->node_id;
  breach.detection = seen.what == protocol::Contradiction::cloned_identity
                         ? policy::DetectionClass::cloned_identity
                         : policy::DetectionClass::stale_incarnation;
  policy::Detection detection;
  detection.detection = breach.detection;
  breach.grade = policy::grade(detection);
  breach.reported_by = "nmm";
  breach.from = format_endpoint(seen.from);
  Witness witness;
  witness.peer = breach.from;
  witness.what = policy::detection_name(breach.detection);
  note_other(node->node_id, std::move(witness), false);
  if (seen.expected) breach.expected_at = format_endpoint(*seen.expected);
  (void)parts_.recovery.breach(breach);
}

}  // namespace akm::nmm
