#include "daemon/nmm/recovery.h"

#include <algorithm>

#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/nmm/done_join.h"
#include "daemon/nmm/roster_change.h"
#include "daemon/policy/excuse.h"

namespace akm::nmm {
namespace {

constexpr std::string_view kMemory = "nmm-recovery";

std::string microseconds(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

std::string list_of(const auto& asrs) {
  std::string out;
  for (const protocol::AsrId asr_id : asrs) out += (out.empty() ? "" : ",") + hex_id(asr_id);
  return out;
}

}  // namespace

std::vector<policy::AsrFacts> Recovery::facts_of(protocol::NodeId node_id) const {
  std::vector<policy::AsrFacts> out;
  for (const protocol::AsrId asr_id : core_.registry.asrs_of(node_id)) {
    out.push_back({asr_id, core_.registry.asr(asr_id)->description.roster.size()});
  }
  return out;
}

policy::AdjudicationPolicy Recovery::policy_of(protocol::AsrId asr_id) const {
  std::vector<std::string> names = core_.settings.never_evict;
  policy::AdjudicationPolicy policy = core_.node_policies.recovery(core_.settings.recovery, asr_id, names);
  for (const std::string& name : names) {
    if (const NodeRecord* node = core_.registry.node_by_name(name)) policy.never_evict.insert(node->node_id);
  }
  return policy;
}

/// What is decided for one ASR of the node, by its policy.
policy::AsrVerdict Recovery::judge(const Breach& breach, const policy::AsrFacts& asr, Instant now) const {
  const policy::AdjudicationPolicy policy = policy_of(asr.asr_id);
  policy::AsrVerdict out =
      policy::decide({breach.node_id, breach.detection, breach.grade}, {asr}, policy, memory_.history, now)
          .front();
  const bool critical = breach.grade == policy::Grade::critical;
  policy::Verdict& verdict = out.verdict;
  // What a window may lower is never critical; evidence is all that it keeps from costing new keys.
  if (verdict != policy::Verdict::log && !critical && policy::may_be_excused(breach.detection) &&
      core_.node_policies.in_maintenance(breach.node_id, asr.asr_id, now)) {
    verdict = policy::Verdict::log;
    out.reason = "a maintenance window is open";
  }
  return out;
}

void Recovery::resume(const policy::BootId& boot) {
  boot_ = boot;
  if (const auto stored = core_.registry.store().read(kMemory)) {
    auto known = policy::RecoveryMemory::decode(stored->reveal(), boot_, core_.now());
    if (known) memory_ = std::move(*known);
    if (!known) log::error("what was decided before the restart cannot be read: " + known.error().message());
  } else if (stored.error().code != Errc::not_found) {
    log::error("what was decided before the restart cannot be read: " + stored.error().message());
  }
  std::vector<std::pair<protocol::NodeId, std::set<protocol::AsrId>>> unfinished;
  for (const auto& [node_id, node] : core_.registry.nodes()) {
    if (node.state != NodeState::quarantined) continue;
    std::set<protocol::AsrId> still_in;
    for (const protocol::AsrId asr_id : core_.registry.asrs_of(node_id)) {
      if (node.evicted_from.contains(asr_id)) still_in.insert(asr_id);
    }
    if (!still_in.empty()) unfinished.emplace_back(node_id, std::move(still_in));
  }
  for (const auto& [node_id, asrs] : unfinished) finish_eviction(node_id, asrs);
}

/// Whether it counts already its record does not say: it counts now, rather twice than not at all.
void Recovery::finish_eviction(protocol::NodeId node_id, const std::set<protocol::AsrId>& asrs) {
  policy::RecoveryMemory next = memory_;
  record_evictions(next, asrs);
  const Status status = evict(node_id, asrs, Reason::breach, {}, &next);
  if (!status) log::error("an eviction could not be finished: " + status.error().message());
  memory_ = std::move(next);
}

void Recovery::record_evictions(policy::RecoveryMemory& memory, const std::set<protocol::AsrId>& asrs) {
  const Instant now = core_.now();
  for (const protocol::AsrId asr_id : asrs) memory.history.record(asr_id, policy::Verdict::evict, now);
  memory.history.record(policy::kDomain, policy::Verdict::evict, now);
}

/// What the NMM noticed itself has its time; what a node reported came with an incident.
std::uint64_t Recovery::incident_of(const Breach& breach) {
  if (breach.incident != 0) return breach.incident;
  return track_.admit(0, core_.root.nmm_id(), policy::detection_name(breach.detection), core_.now().ns);
}

BreachOutcome Recovery::breach(Breach breach) {
  BreachOutcome outcome;
  const NodeRecord* node = core_.registry.node(breach.node_id);
  if (node == nullptr) return outcome;
  breach.incident = incident_of(breach);
  const Instant now = core_.now();
  // A report that comes again, after a restart of who sent it say. One that failed was not remembered.
  const policy::IncidentId incident{breach.node_id, breach.detection, breach.boottime_ns};
  if (breach.boottime_ns > 0 && memory_.incidents.contains(incident)) {
    outcome.reason = "this incident was answered before";
    announce(breach, outcome);
    return outcome;
  }
  if (breach.grade == policy::Grade::critical) track_.concerns(breach.node_id, breach.incident);
  if (breach.detection == policy::DetectionClass::sensor_impaired)
    core_.registry.volatile_part(breach.node_id)->sight_lost = now;
  std::vector<policy::AsrVerdict> verdicts;
  std::set<protocol::AsrId> evictions;
  std::set<protocol::AsrId> rekeys;
  outcome.reason = node->state == NodeState::quarantined ? "the node is quarantined already"
                                                         : "the node has no relationship";
  for (const policy::AsrFacts& asr : facts_of(breach.node_id)) {
    const policy::AsrVerdict verdict = judge(breach, asr, now);
    if (verdict.verdict == policy::Verdict::evict) evictions.insert(verdict.asr_id);
    if (verdict.verdict == policy::Verdict::rekey) rekeys.insert(verdict.asr_id);
    if (verdict.verdict != policy::Verdict::log) outcome.asrs.push_back(verdict.asr_id);
    if (verdict.verdict >= outcome.verdict) {
      outcome.verdict = verdict.verdict;
      outcome.reason = verdict.reason;
    }
    verdicts.push_back(verdict);
  }
  carry_out(breach, evictions, rekeys, outcome);
  announce(breach, outcome);
  for (const policy::AsrVerdict& one : verdicts) {
    if (breach.quiet && one.verdict == policy::Verdict::log) continue;
    track_.verdict(breach.incident, breach.node_id, one, policy_of(one.asr_id).mode == policy::Mode::observe);
  }
  for (const protocol::AsrId asr_id : rekeys) track_.sent(breach.incident, breach.node_id, asr_id);
  if (!evictions.empty()) follow(breach, evictions, std::string(policy::detection_name(breach.detection)));
  return outcome;
}

/// Of an eviction the memory is stored with it, in one writing: a crash between the two would give the limit
/// back. `all`: nothing else is to be done, so that the report is answered with it.
Status Recovery::evict_remembering(const Breach& breach, const std::set<protocol::AsrId>& asrs, bool all) {
  policy::RecoveryMemory next = memory_;
  record_evictions(next, asrs);
  if (all && breach.boottime_ns > 0)
    next.incidents.add({breach.node_id, breach.detection, breach.boottime_ns});
  AKM_TRY(evict(breach.node_id, asrs, Reason::breach, {}, &next));
  memory_ = std::move(next);
  return {};
}

/// All in one writing, the memory first in it: a rekey that counts and was not made costs less than one that
/// was made and does not count. What cannot be made is taken out of `asrs`; the first error.
Status Recovery::rekey_remembering(std::set<protocol::AsrId>& asrs) {
  const Instant now = core_.now();
  policy::RecoveryMemory next = memory_;
  std::vector<Generations::Prepared> generations;
  Status first_error;
  std::erase_if(asrs, [&](protocol::AsrId asr_id) {
    auto prepared = core_.generations.prepare(*core_.registry.asr(asr_id), Reason::breach, true, now);
    if (!prepared && first_error) first_error = std::unexpected(prepared.error());
    if (!prepared) return true;
    next.history.record(asr_id, policy::Verdict::rekey, now);
    generations.push_back(std::move(*prepared));
    return false;
  });
  if (generations.empty()) return first_error;
  const std::vector<std::uint8_t> remembered = next.encode(boot_, now);
  Registry::Change change;
  change.others.push_back({std::string(kMemory), remembered});
  for (const Generations::Prepared& one : generations) {
    change.others.push_back({one.credentials.name, one.credentials.record.reveal()});
    change.asrs.push_back(one.record);
  }
  if (Status stored = core_.registry.put(std::move(change)); !stored) {
    asrs.clear();
    return stored;
  }
  memory_ = std::move(next);
  for (Generations::Prepared& one : generations) core_.generations.begin(std::move(one), now, {});
  return first_error;
}

/// What could not be carried out is taken out of the sets. What failed does not count against the limits: the
/// next report is to try the same again.
void Recovery::carry_out(const Breach& breach, std::set<protocol::AsrId>& evictions,
                         std::set<protocol::AsrId>& rekeys, BreachOutcome& outcome) {
  if (!evictions.empty()) {
    if (const Status status = evict_remembering(breach, evictions, rekeys.empty()); !status) {
      evictions.clear();
      outcome.failed = true;
      outcome.reason += "; it failed: " + status.error().message();
      log::error("an eviction failed: " + status.error().message());
    }
  }
  if (const Status status = rekey_remembering(rekeys); !status) {
    outcome.failed = true;
    log::error("a rekey after a breach failed: " + status.error().message());
  }
  if (rekeys.empty() || outcome.failed || breach.boottime_ns == 0) return;
  memory_.incidents.add({breach.node_id, breach.detection, breach.boottime_ns});
  if (const Status kept = core_.registry.store().write(kMemory, memory_.encode(boot_, core_.now())); !kept)
    log::error("that a report was answered could not be stored: " + kept.error().message());
}

BreachOutcome Recovery::accuse(const Breach& breach, protocol::NodeId accuser) {
  const Instant now = core_.now();
  BreachOutcome outcome;
  outcome.reason = "one member's word about another";
  const auto& of_accused = core_.registry.asrs_of(breach.node_id);
  // Whoever was put out meanwhile has no word any more.
  const auto shares = [&](protocol::NodeId who) {
    return std::ranges::any_of(core_.registry.asrs_of(who),
                               [&](protocol::AsrId asr_id) { return of_accused.contains(asr_id); });
  };
  if (shares(accuser) && (accusations_.contains(breach.node_id) || accusations_.size() < kAccused)) {
    auto& accusers = accusations_[breach.node_id];
    const Duration window = std::chrono::seconds(core_.settings.recovery.window_s);
    std::erase_if(accusers,
                  [&](const auto& entry) { return now - entry.second > window || !shares(entry.first); });
    accusers[accuser] = now;
    if (accusers.size() >= kAccusers) {
      accusations_.erase(breach.node_id);
      return this->breach(breach);
    }
  }
  announce(breach, outcome);
  return outcome;
}

BreachOutcome Recovery::own_breach(const Breach& breach, const std::set<protocol::AsrId>& asrs) {
  const Instant now = core_.now();
  BreachOutcome outcome;
  std::set<protocol::AsrId> rekeys;
  for (const protocol::AsrId asr_id : asrs) {
    const AsrRecord* record = core_.registry.asr(asr_id);
    if (record == nullptr || record->deleted || record->unconfirmed) continue;
    policy::AdjudicationPolicy policy = policy_of(asr_id);
    policy.on_critical = policy.on_evidence = policy::Verdict::rekey;  // nobody of it is at fault
    const policy::AsrVerdict verdict =
        policy::decide({breach.node_id, breach.detection, breach.grade},
                       {{asr_id, record->description.roster.size()}}, policy, memory_.history, now)
            .front();
    outcome.reason = verdict.reason;
    track_.verdict(breach.incident, breach.node_id, verdict, policy.mode == policy::Mode::observe);
    if (verdict.verdict == policy::Verdict::rekey) rekeys.insert(asr_id);
  }
  if (const Status status = rekey_remembering(rekeys); !status) {
    outcome.failed = true;
    log::error("a rekey after a breach of this machine failed: " + status.error().message());
  }
  outcome.asrs.assign(rekeys.begin(), rekeys.end());
  if (!rekeys.empty()) outcome.verdict = policy::Verdict::rekey;
  for (const protocol::AsrId asr_id : rekeys) track_.sent(breach.incident, breach.node_id, asr_id);
  return outcome;
}

void Recovery::announce(const Breach& breach, const BreachOutcome& outcome) {
  if (breach.quiet && outcome.verdict == policy::Verdict::log) return;
  std::map<std::string, std::string> fields{{"node", core_.name_of(breach.node_id)},
                                            {"node_id", hex_id(breach.node_id)},
                                            {"class", std::string(policy::detection_name(breach.detection))},
                                            {"grade", std::string(policy::grade_name(breach.grade))},
                                            {"reported_by", breach.reported_by},
                                            {"breach_boottime_ns", std::to_string(breach.boottime_ns)},
                                            {"decision", std::string(policy::verdict_name(outcome.verdict))},
                                            {"reason", outcome.reason},
                                            {"asrs", list_of(outcome.asrs)}};
  fields = with_incident(std::move(fields), breach.incident);
  // Whoever works there may be the cause: said, and no excuse.
  const NodeRecord* node = core_.registry.node(breach.node_id);
  if (node != nullptr && node->window.until > core_.now()) fields.emplace("maintenance", node->window.why);
  if (!breach.from.empty()) fields.emplace("from", breach.from);
  if (!breach.expected_at.empty()) fields.emplace("expected_at", breach.expected_at);
  core_.announce("breach-reported", policy::severity_of_grade(breach.grade), message_id::kBreachReported,
                 "A breach was reported.", 0, std::move(fields));
}

void Recovery::follow(const Breach& breach, const std::set<protocol::AsrId>& asrs, std::string detection) {
  Eviction eviction;
  eviction.node_id = breach.node_id;
  eviction.detection = std::move(detection);
  eviction.incident = breach.incident;
  eviction.kernel_time = breach.boottime_ns > 0;
  eviction.seen = eviction.kernel_time ? Instant{breach.boottime_ns} : core_.now();
  for (const protocol::AsrId asr_id : asrs) {
    const AsrRecord* record = core_.registry.asr(asr_id);
    if (record == nullptr || record->deleted) continue;
    eviction.open.insert(asr_id);
    track_.sent(breach.incident, breach.node_id, asr_id);
  }
  if (eviction.open.empty()) {
    tell_evicted(eviction);
    return;
  }
  if (followed_.size() == kFollowed) followed_.pop_front();
  followed_.push_back(std::move(eviction));
}

Status Recovery::evict(protocol::NodeId node_id, const std::set<protocol::AsrId>& asrs, Reason reason,
                       Done done, const policy::RecoveryMemory* memory) {
  Registry::Change change;
  change.node = *core_.registry.node(node_id);
  change.node->evicted_from.insert(asrs.begin(), asrs.end());
  const bool from_all = std::ranges::includes(asrs, core_.registry.asrs_of(node_id));
  if (from_all) {
    change.node->state = NodeState::quarantined;
    change.node->quarantine_pending = true;
  }
  Status first_error;
  std::vector<Generations::Prepared> generations;
  Without others;
  for (const protocol::AsrId asr_id : asrs) {
    const Status prepared = prepare_without(asr_id, node_id, reason, generations, others);
    if (!prepared && first_error) first_error = prepared;
  }
  for (const Generations::Prepared& one : generations) {
    change.others.push_back({one.credentials.name, one.credentials.record.reveal()});
    change.asrs.push_back(one.record);
  }
  change.asrs.insert(change.asrs.end(), others.unconfirmed.begin(), others.unconfirmed.end());
  std::vector<std::uint8_t> remembered;
  if (memory != nullptr) {
    remembered = memory->encode(boot_, core_.now());
    change.others.push_back({std::string(kMemory), remembered});
  }
  // One writing, the node's record first: whatever happens after it, the eviction is finished at the next
  // start.
  AKM_TRY(core_.put(std::move(change)));
  DoneJoin join(done ? std::move(done) : Done([](const Status&) {}));
  for (Generations::Prepared& one : generations) {
    const protocol::AsrId asr_id = one.record.description.id;
    core_.generations.begin(std::move(one), core_.now(), join.part());
    core_.asr_changed(asr_id);
  }
  for (const AsrRecord& one : others.unconfirmed) {
    core_.departures.retire(one.description.id, core_.now());
    core_.asr_changed(one.description.id);
  }
  for (const protocol::AsrId asr_id : others.too_small) {
    const Status retired = membership_.retire_all(asr_id);
    if (!retired && first_error) first_error = retired;
  }
  if (from_all) core_.departures.quarantine(node_id, core_.now());
  core_.status_changed();
  if (!first_error) return first_error;  // `done` is the caller's then: the join stays open
  join.close();
  return {};
}

/// The next generation of the ASR without the node, or the ASR among those that get none: too small to go on,
/// or as a backup has it, where nobody knows who else was put out.
Status Recovery::prepare_without(protocol::AsrId asr_id, protocol::NodeId node_id, Reason reason,
                                 std::vector<Generations::Prepared>& generations, Without& others) {
  AsrRecord next = *core_.registry.asr(asr_id);
  AKM_ASSIGN(next.description, without_member(std::move(next.description), node_id));
  if (next.description.roster.size() < kLeastMembers) {
    others.too_small.push_back(asr_id);
    return {};
  }
  next.leaving.insert(node_id);
  if (next.unconfirmed) {
    next.complete = false;
    others.unconfirmed.push_back(std::move(next));
    return {};
  }
  AKM_ASSIGN(auto prepared, core_.generations.prepare(std::move(next), reason, true, core_.now()));
  generations.push_back(std::move(prepared));
  return {};
}

void Recovery::quarantine(protocol::NodeId node_id, Done done) {
  const NodeRecord* node = core_.registry.node(node_id);
  if (node == nullptr) {
    done(fail(Errc::not_found, "node " + hex_id(node_id)));
    return;
  }
  if (node->state != NodeState::active && node->state != NodeState::silent) {
    done(fail(Errc::wrong_state, node->name + " is " + std::string(node_state_name(node->state))));
    return;
  }
  const std::set<protocol::AsrId> asrs = core_.registry.asrs_of(node_id);
  auto shared = std::make_shared<Done>(std::move(done));
  const Status status =
      evict(node_id, asrs, Reason::operator_request, [shared](Status s) { (*shared)(std::move(s)); });
  if (!status) {
    (*shared)(status);
    return;
  }
  Breach breach;
  breach.node_id = node_id;
  breach.incident = track_.admit(0, core_.root.nmm_id(), "operator", core_.now().ns);
  track_.concerns(node_id, breach.incident);
  follow(breach, asrs, "operator");
}

void Recovery::readmit(protocol::NodeId node_id, Done done) {
  const NodeRecord* node = core_.registry.node(node_id);
  if (node == nullptr) {
    done(fail(Errc::not_found, "node " + hex_id(node_id)));
    return;
  }
  if (node->state != NodeState::quarantined && node->evicted_from.empty()) {
    done(fail(Errc::wrong_state, node->name + " is not quarantined"));
    return;
  }
  DoneJoin join(std::move(done));
  // The ASRs first: where a crash comes between, the node counts as quarantined, and is taken out again.
  for (const protocol::AsrId asr_id : node->evicted_from) {
    const AsrRecord* present = core_.registry.asr(asr_id);
    if (present == nullptr || present->deleted || present->description.member_by_node(node_id) != nullptr)
      continue;
    AsrRecord next = *present;
    auto description = with_member(std::move(next.description), *node);
    if (!description) {
      join.part()(std::unexpected(description.error()));
      continue;
    }
    next.description = std::move(*description);
    next.leaving.erase(node_id);
    auto part = std::make_shared<Done>(join.part());
    const Status status = core_.generations.start(std::move(next), Reason::readmission, false, core_.now(),
                                                  [part](Status s) { (*part)(std::move(s)); });
    if (!status) (*part)(status);
    if (status) track_.sent(track_.of(node_id), node_id, asr_id);
    core_.asr_changed(asr_id);
  }
  NodeRecord next = *node;
  next.state = next.activated_serial == next.serial ? NodeState::active : NodeState::prepared;
  next.evicted_from.clear();
  next.quarantine_pending = false;
  core_.departures.cancel_quarantine(node_id);
  join.part()(core_.put(std::move(next)));
  core_.announce(
      "node-readmitted", 5, message_id::kNodeReadmitted, "An operator took a node back.", 0,
      with_incident({{"node", core_.name_of(node_id)}, {"node_id", hex_id(node_id)}}, track_.of(node_id)));
  core_.status_changed();
  join.close();
}

void Recovery::attested(protocol::NodeId node_id) {
  const NodeRecord* node = core_.registry.node(node_id);
  if (node == nullptr || node->evicted_from.empty()) return;
  const bool undone = std::ranges::all_of(node->evicted_from, [&](protocol::AsrId asr_id) {
    return policy_of(asr_id).undo == policy::Undo::attestation;
  });
  if (!undone) return;
  readmit(node_id, [name = node->name](const Status& status) {
    if (!status)
      log::error(
          "a node that has passed its attestation could not be taken back: " + status.error().message(),
          {{"AKM_NODE", name}});
  });
}

void Recovery::news(const GenerationNews& news) {
  track_.news(news);
  if (news.report.what != RolloutReport::What::settled) return;
  for (auto at = followed_.begin(); at != followed_.end();) {
    if (at->open.erase(news.asr_id) == 0) {
      ++at;
      continue;
    }
    at->last_answer = std::max(at->last_answer, news.last_answer);
    at->members += news.members;
    at->stragglers += news.report.straggler_count;
    if (!at->open.empty()) {
      ++at;
      continue;
    }
    tell_evicted(*at);
    at = followed_.erase(at);
  }
}

void Recovery::tell_evicted(const Eviction& eviction) {
  const Instant last = std::max(eviction.last_answer, eviction.seen);
  core_.announce("node-evicted", 4, message_id::kNodeEvicted,
                 "The other members have new keys without this node.", 0,
                 with_incident({{"node", core_.name_of(eviction.node_id)},
                                {"node_id", hex_id(eviction.node_id)},
                                {"class", eviction.detection},
                                {"breach_boottime_ns", std::to_string(eviction.seen.ns)},
                                {"breach_time_from", eviction.kernel_time ? "kernel" : "nmm"},
                                {"last_member_boottime_ns", std::to_string(last.ns)},
                                {"took_us", microseconds(last - eviction.seen)},
                                {"members", std::to_string(eviction.members)},
                                {"stragglers", std::to_string(eviction.stragglers)}},
                               eviction.incident));
}

}  // namespace akm::nmm
