// A detection becomes action: keys away first, then the NMM, then the bus and the journal.
#include <algorithm>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/base/message_ids.h"
#include "daemon/node/node.h"
#include "daemon/policy/grading.h"
#include "daemon/sentry/decision_event.h"

namespace akm::node {

using sentry::wants;

namespace {

constexpr Duration kSaveAgain = std::chrono::seconds(5);

/// Texts of a report are bounded (section 6); what does not fit is cut, the classes of facts stay.
std::map<std::string, std::string> bounded(const std::map<std::string, std::string>& facts,
                                           std::size_t most = protocol::kEvidencePairs) {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : facts) {
    if (out.size() == most) break;
    out.emplace(name.substr(0, protocol::kEvidenceTextBytes), value.substr(0, protocol::kEvidenceTextBytes));
  }
  return out;
}

std::string_view event_name(policy::Grade grade) {
  switch (grade) {
    case policy::Grade::critical:
      return "breach-detected";
    case policy::Grade::evidence:
      return "evidence-detected";
    case policy::Grade::observe:
      return "observation";
  }
  return "observation";
}

EventRecord event_of(const policy::Detection& detection, const policy::Decision& decision,
                     std::uint64_t incident) {
  return sentry::decision_event(std::string(event_name(decision.grade)), detection, decision, incident);
}

}  // namespace

void Node::decided(const policy::Detection& detection, const policy::Decision& decision) {
  using policy::Response;
  ++counters_["detections_" + std::string(policy::grade_name(decision.grade))];
  // A contradiction tells of another member: our own keys are not what was touched.
  const bool of_other = detection.subject.contains("node_id");
  const bool revoke =
      (wants(decision, Response::revoke_local) || wants(decision, Response::quarantine)) && !of_other;
  if (revoke) revoke_in_keyring();
  const bool first = state_ != NodeState::quarantined;
  (void)standing_incident();  // whether one still stands
  const std::uint64_t node_id = record_ ? record_->identity.node_id : 0;
  const std::uint64_t incident = incidents_.assign(detection, decision.grade, node_id, parts_.now());
  if (revoke) incidents_.stand(incident, parts_.now());
  // Before the erasure, whose writes to the disk would hold it up.
  if (wants(decision, Response::report)) report_breach(detection, decision, revoke, incident);
  if (revoke) erase_operational();
  if (revoke && first && has_nmm()) quarantine();
  keep_policy_memory(decision);
  if (wants(decision, Response::rekey)) {
    for (const protocol::AsrId id : operational()) shell_->post(protocol::RequestRekey{id});
  }
  if (wants(decision, Response::hook)) run_hook(detection, decision);
  note_decision(detection, decision, incident);
  if (wants(decision, Response::zeroize) && !of_other) zeroize_by_policy();
}

void Node::note_decision(const policy::Detection& detection, const policy::Decision& decision,
                         std::uint64_t incident) {
  using policy::Response;
  if (decision.actions.empty()) return parts_.events.note(event_of(detection, decision, incident));
  parts_.events.add(
      event_of(detection, decision, incident),
      decision.grade == policy::Grade::critical
          ? message_id::kBreachDetected
          : (detection.detection == policy::DetectionClass::sensor_impaired ? message_id::kProbeDegraded
                                                                            : message_id::kDetected),
      decision.grade == policy::Grade::critical ? "A breach was detected on this node"
                                                : "Something was detected on this node",
      wants(decision, Response::signal));
}

void Node::revoke_local_keys() {
  revoke_in_keyring();
  erase_operational();
}

/// Before anything that could take time or fail.
void Node::revoke_in_keyring() {
  if (parts_.keys == nullptr) return;
  for (const protocol::AsrId id : operational()) {
    for (const auto slot : {keyring::KeyId::Slot::current, keyring::KeyId::Slot::candidate}) {
      if (const Status revoked = parts_.keys->revoke({id, slot, {}}); !revoked) {
        findings_["revoke-key"] = revoked.error().message();
      }
    }
  }
  exports_.revoke_all();
}

void Node::erase_operational() {
  const std::size_t count = operational().size();
  if (count == 0) return;
  const std::int64_t revoked_ns = parts_.now().ns;  // removing the records takes longer
  shell_->post(protocol::EraseOperational{});
  counters_["keys_revoked"] += count;
  say({.name = "keys-revoked",
       .severity = 4,
       .boottime_ns = revoked_ns,
       .fields = {{"relationships", std::to_string(count)}}},
      message_id::kKeysRevoked, "The session keys of this node were revoked and erased");
}

void Node::report_breach(const policy::Detection& detection, const policy::Decision& decision,
                         bool until_answered, std::uint64_t incident) {
  if (!has_nmm()) return;
  // One report opens the case; what follows while this node is in quarantine adds nothing to it.
  if (until_answered && state_ == NodeState::quarantined) return;
  protocol::BreachReport report;
  report.detection = policy::detection_name(detection.detection);
  report.severity = policy::severity_of_grade(decision.grade);
  report.boottime_ns = static_cast<std::uint64_t>(std::max<std::int64_t>(detection.boottime_ns, 0));
  report.subject = bounded(detection.subject);
  report.evidence = bounded(detection.evidence, protocol::kEvidencePairs - 2);
  report.evidence.insert_or_assign("outcome", std::string(policy::outcome_name(detection.outcome)));
  report.evidence.insert_or_assign("incident", hex_id(incident));
  if (until_answered) {
    record_->pending_report = report.encode();
    return send_pending_report();
  }
  link_.send(protocol::Method::breach_report, report.encode(), Duration{0},
             [this, incident](const Result<NmmLink::Answer>& outcome) {
               // Evidence is worth one request, which is repeated until its deadline.
               if (outcome) tell_answer(*outcome, incident);
             });
}

void Node::quarantine() {
  record_->state = NodeState::quarantined;
  set_state(NodeState::quarantined);
  // In the next turn of the loop, when what this one has to say is said. The report has left by then.
  save_due_ = parts_.now();
}

/// With the unanswered report, so that both go on after a restart. A disk that refuses is tried again.
void Node::save_record() {
  if (!record_) return;
  const Status saved = records_->save(*record_);
  if (saved) {
    findings_.erase("node-record");
    return;
  }
  findings_["node-record"] = saved.error().message();
  save_due_ = parts_.now() + kSaveAgain;
}

void Node::send_pending_report() {
  if (!record_ || record_->pending_report.empty() || report_under_way_) return;
  report_under_way_ = true;
  link_.send(protocol::Method::breach_report, record_->pending_report, Duration{0},
             [this](const Result<NmmLink::Answer>& outcome) { report_answered(outcome); });
}

void Node::report_answered(const Result<NmmLink::Answer>& outcome) {
  report_under_way_ = false;
  if (!record_) return;
  if (!outcome || outcome->status == protocol::ControlStatus::busy ||
      outcome->status == protocol::ControlStatus::storage_failed) {
    report_due_ = parts_.now() + report_backoff_.next();
    return;
  }
  report_backoff_.reset();
  tell_answer(*outcome, standing_incident());
  record_->pending_report.clear();
  save_record();
}

void Node::tell_answer(const NmmLink::Answer& answer, std::uint64_t incident) {
  EventRecord event{.name = "breach-reported", .severity = 5, .fields = {}};
  const auto decision = protocol::BreachDecision::decode(answer.body);
  event.fields.emplace("status", protocol::control_status_name(answer.status));
  if (incident != 0) event.fields.emplace("incident", hex_id(incident));
  if (decision) {
    event.fields.emplace("decision", decision->decision);
    std::string asrs;
    for (const protocol::AsrId id : decision->asrs) asrs += (asrs.empty() ? "" : " ") + hex_id(id);
    event.fields.emplace("asrs", asrs);
  }
  say(std::move(event), message_id::kBreachReported, "The NMM has answered the breach report");
}

}  // namespace akm::node
