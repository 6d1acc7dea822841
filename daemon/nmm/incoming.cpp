#include "daemon/nmm/incoming.h"

#include <algorithm>
#include <chrono>

#include "daemon/base/clean_text.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/policy/excuse.h"
#include "daemon/protocol/cbor.h"
#include "daemon/protocol/control_body.h"

namespace akm::nmm {
namespace {

using protocol::ControlStatus;
using protocol::Method;

/// A registry that was restored from an old copy may be behind its members by some generations; a member that
/// claims more than this lies, or would use up the numbers.
constexpr std::uint32_t kBelievedAhead = 1024;

}  // namespace

void Incoming::heard(protocol::NodeId node_id) {
  NodeRecord* node = core_.registry.volatile_part(node_id);
  if (node == nullptr) return;
  const Instant now = core_.now();
  node->last_heard = now;
  node->out_of_reach = false;
  parts_.upkeep.heard(node_id, now);
  core_.departures.heard(node_id, now);
  core_.policy_changes.heard(node_id, now);
  core_.node_policies.heard(node_id, now);
  parts_.lifecycle.heard(node_id);
  if (node->state != NodeState::silent) return;
  node->state = NodeState::active;
  core_.announce("node-heard-again", 5, message_id::kStateChanged, "A silent node is back.", 0,
                 {{"node", node->name}, {"node_id", hex_id(node_id)}});
  core_.status_changed();
}

void Incoming::request(const protocol::RequestReceived& request) {
  const NodeRecord* node = core_.registry.node_by_provisioning_asr(request.asr_id);
  Answer answer{ControlStatus::not_activated, {}, {}};
  if (node != nullptr) {
    const protocol::NodeId node_id = node->node_id;
    const std::string peer = format_endpoint(request.from);
    if (node->peer != peer && node->activated_serial != 0) {
      NodeRecord next = *node;
      next.peer = peer;
      (void)core_.put(std::move(next));
      node = core_.registry.node(node_id);
    }
    answer = this->answer(request, *node);
    heard(node_id);
  }
  if (!request.expects_response) return;
  core_.post(protocol::SendResponse{request.asr_id, request.request_id, request.method, answer.status,
                                    std::move(answer.body)});
  if (answer.attest && node != nullptr) parts_.attestations.after_activation(node->node_id);
  if (!answer.bind || node == nullptr) return;
  if (const Status bound = parts_.provisioner.bind(node->node_id, *answer.bind); !bound) {
    log::error("a node could not be bound to its hardware: " + bound.error().message());
  }
}

Incoming::Answer Incoming::answer(const protocol::RequestReceived& request, const NodeRecord& node) {
  const bool live = node.state == NodeState::active || node.state == NodeState::silent;
  switch (request.method) {
    case Method::activate:
      return activate(request, node);
    case Method::heartbeat:
      if (node.activated_serial == 0) return {ControlStatus::not_activated, {}, {}};
      return heartbeat(request, node);
    case Method::breach_report:
      if (node.activated_serial == 0) return {ControlStatus::not_activated, {}, {}};
      return breach_report(request, node);
    case Method::resync:
      if (!live) return {ControlStatus::not_activated, {}, {}};
      return resync(request, node);
    case Method::install:
    case Method::switch_generation:
    case Method::retire:
    case Method::policy:
    case Method::rotate_provisioning:
    case Method::quarantine:
    case Method::zeroize:
    case Method::attest:
    case Method::issue:
    case Method::report:
    case Method::records:
    case Method::adopt:
    case Method::fence:
    case Method::configure:
    case Method::detection_policy:
      break;
  }
  return {ControlStatus::not_supported, {}, {}};
}

Incoming::Answer Incoming::refuse_activation(const NodeRecord& node, ControlStatus status,
                                             std::string_view why) {
  core_.announce("activation-refused", 4, message_id::kStateChanged, "A node's activation was refused.", 0,
                 {{"node", node.name}, {"node_id", hex_id(node.node_id)}, {"reason", std::string(why)}});
  return {status, {}, {}};
}

Incoming::Answer Incoming::activate(const protocol::RequestReceived& request, const NodeRecord& node) {
  const auto body = protocol::ActivateRequest::decode(request.body.reveal());
  if (!body) return {ControlStatus::malformed, {}, {}};
  switch (node.state) {
    case NodeState::prepared:
    case NodeState::active:
    case NodeState::silent:
      break;
    case NodeState::quarantined:
    case NodeState::retired:
      // Two machines may be why it is there: what this one says of itself is evidence.
      if (node.is_bound() && node.hardware_value != body->hardware_value)
        note_other(node.node_id, witness_of(*body, request.from, "activate"), false);
      return refuse_activation(node, ControlStatus::refused_by_policy, node_state_name(node.state));
  }
  const auto view = core_.shell.engine().view(request.asr_id);
  const bool current = !view || view->description.generation == node.serial;
  if (!current && node.state == NodeState::prepared) {
    return refuse_activation(node, ControlStatus::stale_generation, "credentials of an earlier serial");
  }
  const bool first_time = current && node.activated_serial != node.serial;
  const std::uint64_t age_s =
      core_.clock.seconds(core_.now()) - std::min(core_.clock.seconds(core_.now()), node.prepared_at_s);
  if (first_time && age_s > core_.settings.bundle_expiry_s) {
    return refuse_activation(node, ControlStatus::refused_by_policy, "the bundle has expired");
  }
  if (node.is_bound() && !equal_in_constant_time(node.hardware_value, body->hardware_value)) {
    return mismatch(*body, request, node);
  }
  if (const Status attested =
          parts_.attestations.activation(node, *body, view ? view->description.generation : node.serial);
      !attested) {
    const Errc why = attested.error().code;
    if (why != Errc::hardware_mismatch && why != Errc::refused_by_policy)
      return {ControlStatus::storage_failed, {}, {}};
    return refuse_activation(
        node,
        why == Errc::hardware_mismatch ? ControlStatus::hardware_mismatch : ControlStatus::refused_by_policy,
        attested.error().detail);
  }
  return accept(*body, request, *core_.registry.node(node.node_id), current);
}

/// Kept beside what is known of the machine that was activated; the same again costs no write.
void Incoming::note_other(protocol::NodeId node_id, Witness witness, bool rehome) {
  core_.registry.volatile_part(node_id)->other_seen = core_.now();
  const NodeRecord& node = *core_.registry.node(node_id);
  if (node.other && node.other->same_as(witness) && (node.rehome_asked || !rehome)) return;
  NodeRecord next = node;
  next.rehome_asked = rehome || (node.rehome_asked && node.other && node.other->same_as(witness));
  next.other = std::move(witness);
  next.other->at_s = core_.clock.seconds(core_.now());
  (void)core_.put(std::move(next));  // where it fails, the next time that it is heard is as good
}

Incoming::Answer Incoming::mismatch(const protocol::ActivateRequest& body,
                                    const protocol::RequestReceived& request, const NodeRecord& node) {
  const std::string names = changed_between(node.self, body);
  const std::string name = node.name;
  note_other(node.node_id, witness_of(body, request.from, body.rehome ? "asks to be rehomed" : "activate"),
             body.rehome);
  if (!body.rehome)
    return refuse_activation(node, ControlStatus::hardware_mismatch,
                             "another hardware value" + (names.empty() ? "" : ": " + names));
  core_.announce("rehome-asked", 4, message_id::kStateChanged,
                 "A node asks to be taken for the one that was activated, with another part.", 0,
                 {{"node", name},
                  {"node_id", hex_id(node.node_id)},
                  {"endpoint", format_endpoint(request.from)},
                  {"changed", names.empty() ? "not known" : names}});
  return {ControlStatus::not_activated, {}, {}};  // noted; the operator decides
}

Incoming::Answer Incoming::accept(const protocol::ActivateRequest& body,
                                  const protocol::RequestReceived& request, const NodeRecord& node,
                                  bool current) {
  const bool bind = current && !node.is_bound();
  const bool first_time = current && node.activated_serial != node.serial;
  if (bind && !core_.settings.bind_at_activation) {
    return refuse_activation(node, ControlStatus::refused_by_policy, "prepared without its hardware value");
  }
  NodeRecord next = node;
  next.state = NodeState::active;
  if (current) next.activated_serial = next.serial;
  if (current) {
    next.bind_pending = false;
    next.prior.reset();
  }
  next.self = witness_of(body, request.from, "activate");
  next.self->at_s = core_.clock.seconds(core_.now());
  next.rehome_asked = false;
  if (next.other && next.other->hardware_value == body.hardware_value) next.other.reset();
  next.version = clean_text(body.version);
  next.peer = format_endpoint(request.from);
  const protocol::NodeId node_id = next.node_id;
  if (!core_.put(std::move(next))) return {ControlStatus::storage_failed, {}, {}};
  if (first_time) {
    core_.announce("node-activated", 5, message_id::kNodeActivated, "A node has activated.", 0,
                   {{"node", core_.name_of(node_id)},
                    {"node_id", hex_id(node_id)},
                    {"serial", std::to_string(core_.registry.node(node_id)->serial)},
                    {"endpoint", core_.registry.node(node_id)->peer},
                    {"bound", bind ? "now" : "before"}});
    core_.status_changed();
  }
  Answer answer{
      ControlStatus::ok, protocol::ActivateResponse{core_.settings.name, core_.settings.policy}.encode(), {}};
  if (bind) answer.bind = body.hardware_value;
  answer.attest = core_.settings.policy.attestation == protocol::Attestation::required;
  // The install that binds it was lost: once more.
  if (!current && core_.registry.node(node_id)->bind_pending) (void)parts_.provisioner.send_binding(node_id);
  return answer;
}

/// The node is on its newest serial, or gets it once more. A used failsafe chain is replaced by a new serial,
/// and so is one that is derived from a former root secret: it is the chain by which a replacement NMM
/// reaches the node (protocol.md, section 7).
void Incoming::follow_binding(const protocol::RequestReceived& request, const NodeRecord& node) {
  const auto view = core_.shell.engine().view(request.asr_id);
  if (!node.bind_pending) {
    // A newer serial is in a bundle for a machine that may be another one: who still uses the one before gets
    // nothing.
    const bool newest = view && view->description.generation == node.serial;
    // Whoever has the secret before the newest one (a lost NMM) is to be rid of the node.
    const bool old_root = node.root != core_.root.newest();
    if (!newest || !(view->failsafe_spent || old_root) || !node.is_bound()) return;
    if (const Status sent = parts_.provisioner.bind(node.node_id, node.hardware_value); !sent) {
      log::error("a node's used failsafe chain could not be replaced: " + sent.error().message());
    }
    return;
  }
  if (!view || view->description.generation != node.serial) {
    if (const Status sent = parts_.provisioner.send_binding(node.node_id); !sent) {
      log::error("a node could not be bound to its hardware: " + sent.error().message());
    }
    return;
  }
  NodeRecord next = node;
  next.activated_serial = next.serial;
  next.bind_pending = false;
  next.prior.reset();
  (void)core_.put(std::move(next));  // where it fails, the next heartbeat tries again
}

Incoming::Answer Incoming::heartbeat(const protocol::RequestReceived& request, const NodeRecord& node) {
  const auto body = protocol::Heartbeat::decode(request.body.reveal());
  if (!body) return {ControlStatus::malformed, {}, {}};
  const protocol::NodeId node_id = node.node_id;
  std::map<protocol::AsrId, ReportedAsr> reported;
  for (const protocol::HeartbeatAsr& asr : body->asrs) {
    if (asr.asr_id != node.provisioning_asr)
      reported[asr.asr_id] = {.generation = asr.generation, .epoch = asr.epoch, .phase = asr.phase};
  }
  follow_binding(request, node);
  core_.registry.volatile_part(node_id)->last_beat = core_.now();
  core_.registry.volatile_part(node_id)->beat_peer = format_endpoint(request.from);
  NodeRecord* record = core_.registry.volatile_part(node_id);
  record->tier = clean_text(body->tier);
  record->dropped_events = body->dropped;
  note_window(*record, *body);
  take_over(*record, reported);
  compare(node_id, reported);
  return {ControlStatus::ok, protocol::empty_body()};
}

/// A window that was opened at the node excuses nothing here; who looks at the node's silence is to know of
/// it.
void Incoming::note_window(NodeRecord& node, const protocol::Heartbeat& beat) {
  constexpr Duration kSame = std::chrono::seconds(30);  // a heartbeat may be that long on its way
  constexpr Duration kNews = std::chrono::seconds(10);
  const Instant now = core_.now();
  NodeWindow next{beat.maintenance_s == 0 ? Instant{}
                                          : now + std::chrono::seconds(std::min<std::uint32_t>(
                                                      beat.maintenance_s, policy::kMaintenanceMaxS)),
                  clean_text(beat.maintenance_why)};
  const auto same = [&](const NodeWindow& known) {
    if (beat.maintenance_s == 0) return known.until.ns == 0;
    return known.until > now && next.why == known.why && next.until - known.until < kSame &&
           known.until - next.until < kSame;
  };
  if (!same(node.window)) {
    node.window = next;
    core_.status_changed();
  }
  // A node that opens and closes windows all the time is told of once in a while, and fills no log: a later
  // heartbeat says what is so then.
  if (same(node.window_told) || (node.window_told_at && now - *node.window_told_at < kNews)) return;
  node.window_told = std::move(next);
  node.window_told_at = now;
  std::map<std::string, std::string> fields{{"node", node.name}, {"node_id", hex_id(node.node_id)}};
  if (beat.maintenance_s == 0) {
    core_.announce("node-maintenance-ended", 5, message_id::kPolicyChanged,
                   "A maintenance window at a node is over.", 0, std::move(fields));
    return;
  }
  fields.emplace("why", node.window.why);
  fields.emplace("seconds", std::to_string(beat.maintenance_s));
  fields.emplace("allowed", core_.node_policies.lets_node_open(node.node_id) ? "yes" : "no");
  core_.announce("node-maintenance", 4, message_id::kPolicyChanged,
                 "A maintenance window was opened at a node.", 0, std::move(fields));
}

/// What the node is known to hold: what it reports, but for what it has answered to an install since it wrote
/// that.
void Incoming::take_over(NodeRecord& node, std::map<protocol::AsrId, ReportedAsr> reported) {
  for (const auto& [asr_id, before] : node.reported) {
    const Rollout* rollout = core_.generations.rollout(asr_id);
    if (rollout == nullptr || !rollout->has_installed(node.node_id)) continue;
    ReportedAsr& now = reported[asr_id];
    if (now.generation < before.generation) now = before;
  }
  const bool changed = node.reported.size() != reported.size();
  for (auto& [asr_id, asr] : reported) {
    const auto before = node.reported.find(asr_id);
    const bool same = before != node.reported.end() && before->second.epoch == asr.epoch &&
                      before->second.generation == asr.generation;
    asr.since = same ? before->second.since : core_.now();
    if (changed || !same || before->second.by_answer != asr.by_answer) core_.asr_changed(asr_id);
  }
  node.reported = std::move(reported);
}

/// What the node has against what it should have.
void Incoming::compare(protocol::NodeId node_id, const std::map<protocol::AsrId, ReportedAsr>& reported) {
  const std::set<protocol::AsrId> wanted = core_.registry.asrs_of(node_id);
  for (const auto& [asr_id, asr] : reported) {
    if (!wanted.contains(asr_id)) stray(node_id, asr_id, asr.generation);
  }
  const NodeRecord* node = core_.registry.node(node_id);
  if (node->state == NodeState::quarantined || node->state == NodeState::retired) return;
  for (const protocol::AsrId asr_id : wanted) {
    const auto at = reported.find(asr_id);
    compare_one(*core_.registry.asr(asr_id), node_id, at == reported.end() ? 0 : at->second.generation);
  }
}

void Incoming::compare_one(const AsrRecord& record, protocol::NodeId node_id, std::uint32_t reported) {
  const protocol::AsrId asr_id = record.description.id;
  const std::uint32_t present = record.description.generation;
  std::map<protocol::AsrId, std::uint32_t>& behind = core_.registry.volatile_part(node_id)->behind;
  if (reported == present) weigh(record);
  if (record.unconfirmed) {
    if (reported > present) ahead(record, node_id, reported);
    return confirm_if_all(asr_id);
  }
  if (core_.generations.heard(node_id, asr_id, reported, core_.now()) || reported == present) {
    behind.erase(asr_id);
    return;
  }
  if (reported > present) return ahead(record, node_id, reported);
  // A heartbeat may have been made before the install that it arrives after: only the second one counts.
  const auto noted = behind.find(asr_id);
  if (noted == behind.end() || noted->second != present) {
    behind[asr_id] = present;
    return;
  }
  (void)resynchronise(record, present + 1);
}

/// A node holds what is not meant for it, as far as we know. Only what we know to have taken from it is taken
/// again: a damaged record, or an older copy of our state, must not destroy the groups that it does not know
/// of.
void Incoming::stray(protocol::NodeId node_id, protocol::AsrId asr_id, std::uint32_t generation) {
  const AsrRecord* record = core_.registry.asr(asr_id);
  if (record != nullptr) {
    const bool newer = generation > record->description.generation && !record->deleted;
    if (newer && !contradicted(*record, node_id)) return ahead(*record, node_id, generation);
    core_.departures.retire_stray(node_id, asr_id, core_.now());
    return;
  }
  if (told_unknown_.contains(asr_id) || told_unknown_.size() >= kAsrs) return;
  told_unknown_.insert(asr_id);
  core_.announce("relationship-unknown", 3, message_id::kStateDoubtful,
                 "A node holds a relationship that this NMM has no record of; it is left alone.", asr_id,
                 {{"node", core_.name_of(node_id)}, {"generation", std::to_string(generation)}});
  core_.status_changed();
}

/// More members report the generation that is known here than a newer one, the claimant counted whether it is
/// a member or not. One voice is not enough: who was put out after our records were made is in them again.
bool Incoming::contradicted(const AsrRecord& record, protocol::NodeId claimant) const {
  const protocol::AsrDescription& asr = record.description;
  std::size_t here = 0;
  std::size_t ahead = claimant != 0 && asr.member_by_node(claimant) == nullptr ? 1U : 0U;
  for (const protocol::Member& member : asr.roster) {
    const NodeRecord* node = core_.registry.node(member.node_id);
    if (node == nullptr) continue;
    const auto at = node->reported.find(asr.id);
    if (at == node->reported.end() || at->second.by_answer) continue;
    here += at->second.generation == asr.generation ? 1U : 0U;
    ahead += at->second.generation > asr.generation ? 1U : 0U;
  }
  return here > ahead;
}

/// A claim that nobody contradicted when it was made is over when more members say otherwise: one that lies,
/// or was put out, must not keep a relationship from its renewals.
void Incoming::weigh(const AsrRecord& record) {
  const protocol::AsrId asr_id = record.description.id;
  if (!core_.generations.ahead().contains(asr_id) || !contradicted(record, 0)) return;
  core_.generations.forget_ahead(asr_id);
  core_.status_changed();
}

/// A majority is not enough: who was put out after the backup was made reports what it likes, and who was
/// away does not know of it. One member with another generation says that something has happened since.
void Incoming::confirm_if_all(protocol::AsrId asr_id) {
  const AsrRecord& record = *core_.registry.asr(asr_id);
  const auto holds_it = [&](const protocol::Member& member) {
    const NodeRecord* node = core_.registry.node(member.node_id);
    if (node == nullptr) return false;
    const auto at = node->reported.find(asr_id);
    return at != node->reported.end() && at->second.generation == record.description.generation;
  };
  if (core_.generations.ahead().contains(asr_id) || !std::ranges::all_of(record.description.roster, holds_it))
    return;
  AsrRecord next = record;
  next.unconfirmed = false;
  // Somebody was put out meanwhile: the others are owed new keys.
  const Status done = next.complete
                          ? core_.registry.put(std::move(next))
                          : core_.generations.start(std::move(next), Reason::breach, true, core_.now());
  if (!done) return log::error("a confirmed relationship: " + done.error().message());
  core_.announce("relationship-confirmed", 5, message_id::kStateChanged,
                 "All members of a restored relationship hold what the backup says.", asr_id, {});
  core_.asr_changed(asr_id);
  core_.status_changed();
}

/// The claim of one member that the others contradict leads them together; one that nobody contradicts says
/// that our records are an older copy.
void Incoming::ahead(const AsrRecord& record, protocol::NodeId node_id, std::uint32_t reported) {
  const protocol::AsrId asr_id = record.description.id;
  const std::uint32_t present = record.description.generation;
  const bool believed = reported - present <= kBelievedAhead;
  const bool alone = contradicted(record, node_id);
  const bool older = believed && !alone;
  std::uint32_t& told = core_.registry.volatile_part(node_id)->behind[asr_id];
  const bool news = older ? core_.generations.note_ahead(asr_id, reported) : told != reported;
  told = reported;
  if (news) {
    core_.announce("generation-ahead", older ? 3 : 4, message_id::kStateDoubtful,
                   older ? "The members are ahead of this NMM: its records are an older copy."
                         : "A member is on a newer generation than its NMM and the others.",
                   asr_id,
                   {{"node", core_.name_of(node_id)},
                    {"generation", std::to_string(reported)},
                    {"known", std::to_string(present)}});
    core_.status_changed();
  }
  if (believed && alone) (void)resynchronise(record, reported + 1);
}

/// A new generation for all, since this one's credentials are gone; not more often than the policy says.
bool Incoming::resynchronise(const AsrRecord& record, std::uint32_t at_least) {
  if (record.unconfirmed) return false;
  const protocol::AsrId asr_id = record.description.id;
  const Instant now = core_.now();
  const auto last = last_resync_.find(asr_id);
  const Duration pause = std::chrono::seconds(record.description.policy.resync_min_interval_s);
  if (last != last_resync_.end() && now - last->second < pause) return false;
  AsrRecord next = record;
  next.description.generation = at_least;
  const Status started = core_.generations.start(std::move(next), Reason::resync, false, now);
  if (!started) {
    log::error("a resync failed: " + started.error().message(), {{"AKM_ASR", hex_id(asr_id)}});
    last_resync_[asr_id] = now;  // a line for each interval
    return false;
  }
  last_resync_[asr_id] = now;
  core_.asr_changed(asr_id);
  return true;
}

Incoming::Answer Incoming::resync(const protocol::RequestReceived& request, const NodeRecord& node) {
  const auto body = protocol::ResyncRequest::decode(request.body.reveal());
  if (!body) return {ControlStatus::malformed, {}, {}};
  const AsrRecord* record = core_.registry.asr(body->asr_id);
  if (record == nullptr || !core_.registry.asrs_of(node.node_id).contains(body->asr_id)) {
    return {ControlStatus::unknown_asr, {}, {}};
  }
  if (body->generation < record->description.generation &&
      core_.generations.heard(node.node_id, body->asr_id, body->generation, core_.now())) {
    return {ControlStatus::ok, protocol::empty_body()};  // the newer one is on its way
  }
  if (!resynchronise(*record, record->description.generation + 1)) return {ControlStatus::busy, {}, {}};
  return {ControlStatus::ok, protocol::empty_body()};
}

}  // namespace akm::nmm
