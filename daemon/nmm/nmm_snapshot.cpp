// What an NMM shows of itself: the const half of its control port.
#include <algorithm>

#include "daemon/base/hex.h"
#include "daemon/nmm/nmm.h"
#include "daemon/service/snapshot.h"

namespace akm::nmm {
namespace {

constexpr std::size_t kNamesShown = 200;  // bytes, about
constexpr std::size_t kUnknownShown = 8;

std::string phase_of(const AsrRecord& record, const Rollout* rollout) {
  if (record.deleted) return "retiring";
  if (record.unconfirmed) return "unconfirmed";
  if (rollout == nullptr) return record.complete ? "complete" : "incomplete";
  const std::string waits = " (" + std::to_string(rollout->done_count()) + " of " +
                            std::to_string(rollout->plan().members.size()) + ")";
  switch (rollout->phase()) {
    case Rollout::Phase::installing:
      return (rollout->plan().immediate ? "replacing" : "installing") + waits;
    case Rollout::Phase::switching:
      return "switching" + waits;
    case Rollout::Phase::completed:
      break;
  }
  return "complete";
}

std::string member_state(const NodeRecord* node, const Rollout* rollout) {
  if (node == nullptr) return "unknown";
  if (rollout != nullptr && !rollout->has_installed(node->node_id)) return "waiting";
  return std::string(node_state_name(node->state));
}

/// "install sent 3 times, busy": the age of that is a time beside it, not in the text.
std::string sent_text(const std::string& what, std::uint32_t times, const std::string& outcome) {
  if (times == 0) return what + " not sent yet";
  return what + " sent" + (times == 1 ? ", " : " " + std::to_string(times) + " times, ") + outcome;
}

/// What a member waits for, or is waited for.
struct Wait {
  std::string text;  // empty: nothing
  Instant since;
  bool straggles = false;  // others wait for it, or its relationship is not yet what it is to be
};

Wait wait_in_rollout(const MemberProgress& progress, const Rollout& rollout) {
  using Stage = MemberProgress::Stage;
  const std::string outcome = progress.why.empty() ? "no answer" : progress.why;
  // The others have gone on; it gets the generation when it speaks.
  const bool left_out = rollout.settled() && progress.sent > 0 && progress.why == "no answer";
  switch (progress.stage) {
    case Stage::install:
      return {sent_text("install", progress.sent, left_out ? "left out until it is heard" : outcome),
              progress.since, true};
    case Stage::others:
      return {"the switch, when the others have installed", progress.since, false};
    case Stage::switch_generation:
      return {sent_text("switch", progress.sent, progress.why.empty() ? "not confirmed" : progress.why),
              progress.since, true};
    case Stage::done:
      break;
  }
  return {};
}

Wait wait_of(const NodeRecord* node, const AsrRecord& record, const Rollout* rollout) {
  if (node == nullptr) return {};
  const auto progress = rollout != nullptr ? rollout->progress(node->node_id) : std::nullopt;
  if (progress && progress->stage != MemberProgress::Stage::done) return wait_in_rollout(*progress, *rollout);
  const auto known = node->reported.find(record.description.id);
  const std::uint32_t held = known == node->reported.end() ? 0 : known->second.generation;
  if (rollout == nullptr && !record.complete && held != record.description.generation)
    return {"a new generation: left out until it is heard", node->last_heard, true};
  if (node->state == NodeState::silent) return {"heartbeat overdue", node->last_heard, false};
  return {};
}

/// What the relationship as a whole waits for.
void show_wait(const AsrRecord& record, const Rollout* rollout, AsrSnapshot& out) {
  if (record.deleted) {
    out.waits_for = "answers to retire";
  } else if (record.unconfirmed) {
    out.waits_for = "its members, or an operator, to confirm what the backup says";
  } else if (rollout == nullptr) {
    if (!record.complete) out.waits_for = "a straggler to be heard: then a new generation";
  } else {
    const bool installing = rollout->phase() == Rollout::Phase::installing;
    out.waits_for = installing ? "answers to install" : "answers to install and switch";
    out.waits_until_ns = rollout->switches_at().value_or(Instant{}).ns;
    out.phase_since_ns = rollout->phase_since().ns;
  }
}

/// Nodes that are on their way out of the relationship, or in quarantine because of a breach.
void show_leaving(const Departures& departures, const AsrRecord& record, const NodeRecord& node,
                  AsrSnapshot& out) {
  const bool evicted = node.evicted_from.contains(record.description.id);
  if (const auto told = departures.told(node.node_id, record.description.id)) {
    out.stragglers.push_back(
        {node.node_id, node.name, sent_text("retire", told->times, "not confirmed"), told->since.ns});
  } else if (const auto quarantine = departures.told(node.node_id, 0); quarantine && evicted) {
    out.stragglers.push_back({node.node_id, node.name,
                              sent_text("quarantine", quarantine->times, "not confirmed"),
                              quarantine->since.ns});
  } else if (evicted && node.state == NodeState::quarantined) {
    out.stragglers.push_back({node.node_id, node.name, "quarantined: left out until it is readmitted", 0});
  }
}

}  // namespace

/// Relationships as a backup has them.
void Nmm::add_unconfirmed(std::vector<std::string>& findings) const {
  std::size_t count = 0;
  for (const auto& [asr_id, record] : core_.registry.asrs()) {
    if (!record.unconfirmed || record.deleted || ++count > kUnknownShown) continue;
    std::set<protocol::NodeId> other;
    std::set<protocol::NodeId> without;
    for (const protocol::Member& member : record.description.roster) {
      const NodeRecord* node = core_.registry.node(member.node_id);
      if (node == nullptr) continue;
      const auto held = node->reported.find(asr_id);
      if (held == node->reported.end()) {
        without.insert(member.node_id);
      } else if (held->second.generation != record.description.generation) {
        other.insert(member.node_id);
      }
    }
    const std::string& label = record.description.label;
    const auto say = [&](const char* what, const std::set<protocol::NodeId>& nodes) {
      return nodes.empty() ? "" : what + core_.registry.names_of(nodes) + ".";
    };
    findings.push_back(label +
                       " is as the backup has it, and nothing is issued for it until all its members "
                       "hold generation " +
                       std::to_string(record.description.generation) + "." +
                       say(" They hold another: ", other) + say(" Not heard of it yet: ", without) +
                       " If that stays so, see who is a member (akmctl asr show " + label +
                       "), put out who is not (akmctl asr remove), then akmctl asr confirm " + label);
  }
  if (count > kUnknownShown)
    findings.push_back(std::to_string(count - kUnknownShown) +
                       " more relationships are as the backup has them (akmctl asr list)");
}

/// What the members say, and the records do not know.
void Nmm::add_doubts(std::vector<std::string>& findings) const {
  std::set<protocol::NodeId> in_window;
  for (const auto& [node_id, node] : core_.registry.nodes()) {
    if (node.window.until > core_.now()) in_window.insert(node_id);
  }
  if (!in_window.empty())
    findings.push_back("A maintenance window was opened at " + core_.registry.names_of(in_window) +
                       " (akmctl maintenance show)");
  for (const auto& [asr_id, generation] : core_.generations.ahead()) {
    const AsrRecord* record = core_.registry.asr(asr_id);
    if (record == nullptr || record->unconfirmed) continue;
    const std::string& label = record->description.label;
    findings.push_back("The members of " + label + " hold generation " + std::to_string(generation) +
                       ", newer than this NMM knows of: its records are an older copy. Nothing is issued by "
                       "itself. Put the newest state back, or look who is a member (akmctl asr show " +
                       label + "), put out who does not belong, and akmctl asr rekey " + label);
  }
  std::map<protocol::AsrId, std::string> unknown;
  std::string out_of_reach;
  for (const auto& [node_id, node] : core_.registry.nodes()) {
    if (node.out_of_reach && out_of_reach.size() < kNamesShown)
      out_of_reach += (out_of_reach.empty() ? "" : ", ") + node.name;
    for (const auto& [asr_id, reported] : node.reported) {
      if (core_.registry.asr(asr_id) != nullptr) continue;
      std::string& names = unknown[asr_id];
      if (names.size() < kNamesShown) names += (names.empty() ? "" : ", ") + node.name;
    }
  }
  if (!out_of_reach.empty()) {
    findings.push_back(
        "Not reached on any chain: " + out_of_reach +
        ". If they run, this NMM's state is perhaps an older copy: put the newest state back, or "
        "prepare them again (akmctl nmm prepare)");
  }
  std::size_t shown = 0;
  for (const auto& [asr_id, names] : unknown) {
    if (shown++ == kUnknownShown) {  // one node can claim many, and the rest is to be seen too
      findings.push_back("There is no record of " + std::to_string(unknown.size() - kUnknownShown) +
                         " more relationships that nodes say they hold");
      break;
    }
    findings.push_back(
        "There is no record of relationship " + hex_id(asr_id) + ", which is held by " + names +
        ": a file is damaged, or this state is an older copy. Its members go on without this NMM. "
        "Put the newest state back, or have them erase it: akmctl asr delete " +
        hex_id(asr_id));
  }
}

StatusSnapshot Nmm::status() const {
  StatusSnapshot out;
  out.state = core_.root.nmm_id() == 0 ? "no-root-secret" : "ready";
  out.nmm_id = core_.root.nmm_id();
  out.name = core_.settings.name;
  out.version = AKM_VERSION;
  out.key_storage = identity_.key_storage;
  out.hardware_protected = identity_.hardware_protected;
  out.incarnation = identity_.incarnation;
  out.io_backend = identity_.io_backend;
  out.listen = identity_.listen;
  out.findings = identity_.findings;
  add_doubts(out.findings);
  add_unconfirmed(out.findings);
  if (core_.audit != nullptr) {
    for (std::string& finding : core_.audit->findings()) out.findings.push_back(std::move(finding));
  }
  out.counters = service::counter_map(core_.shell.engine().counters());
  out.counters["store_failures"] = core_.shell.counters().store_failures;
  out.counters["events_dropped"] = core_.shell.counters().events_dropped;
  out.counters["nodes"] = core_.registry.nodes().size();
  out.counters["relationships"] = core_.registry.asrs().size();
  out.handover_fingerprint = joining_.fingerprint();
  root_link_.show(out);
  guard_.show(out);
  if (machine_.add_to_status) machine_.add_to_status(out);
  return out;
}

std::vector<Endpoint> Nmm::node_endpoints() const {
  std::vector<Endpoint> out;
  const auto add = [&out](const std::string& text) {
    if (const auto endpoint = parse_endpoint(text)) out.push_back(*endpoint);
  };
  for (const auto& [node_id, node] : core_.registry.nodes()) {
    add(node.peer);
    for (const std::string& text : node.endpoints) add(text);
  }
  return out;
}

std::vector<NodeSnapshot> Nmm::nodes() const {
  std::vector<NodeSnapshot> out;
  out.reserve(core_.registry.nodes().size());
  for (const auto& [node_id, node] : core_.registry.nodes()) {
    NodeSnapshot shown;
    shown.node_id = node_id;
    shown.name = node.name;
    shown.state = node_state_name(node.state);
    shown.serial = node.serial;
    shown.endpoint = node.peer;
    shown.last_heard_ns = node.last_heard.ns;
    const auto& asrs = core_.registry.asrs_of(node_id);
    shown.asrs.assign(asrs.begin(), asrs.end());
    shown.version = node.version;
    out.push_back(std::move(shown));
  }
  if (!root_link_.fenced()) add_expected(out);
  std::ranges::sort(out, {}, &NodeSnapshot::name);
  return out;
}

/// Nodes that the Root has records of, and nobody has prepared yet.
void Nmm::add_expected(std::vector<NodeSnapshot>& out) const {
  for (const protocol::ExpectedNode& node : expectations_.nodes()) {
    if (core_.registry.node(node.id) != nullptr || core_.registry.node_by_name(node.name) != nullptr)
      continue;
    NodeSnapshot& shown = out.emplace_back();
    shown.node_id = node.id;
    shown.name = node.name;
    shown.state = "expected";
    if (!node.endpoints.empty()) shown.endpoint = node.endpoints.front();
  }
}

void Nmm::show_member(const AsrRecord& record, const Rollout* rollout, MemberSnapshot& member,
                      AsrSnapshot& out) const {
  const NodeRecord* node = core_.registry.node(member.node_id);
  const auto progress = rollout != nullptr ? rollout->progress(member.node_id) : std::nullopt;
  const bool unsent = progress && progress->stage == MemberProgress::Stage::install && progress->sent == 0;
  member.state = member_state(node, rollout);
  member.sent_generation = unsent ? 0 : record.description.generation;
  const Wait wait = wait_of(node, record, rollout);
  member.waits_for = wait.text;
  member.waits_since_ns = wait.since.ns;
  if (wait.straggles) out.stragglers.push_back({member.node_id, member.name, wait.text, wait.since.ns});
  if (node == nullptr) return;
  member.last_heard_ns = node->last_heard.ns;
  const auto known = node->reported.find(record.description.id);
  if (known == node->reported.end()) {
    // After a restart: all have answered for this generation, whatever its epoch is by now.
    if (record.complete) member.generation = out.generation;
    return;
  }
  member.generation = known->second.generation;
  member.epoch = known->second.epoch;
  member.since_ns = known->second.since.ns;
  if (member.generation == out.generation) out.epoch = std::max(out.epoch, member.epoch);
}

std::vector<AsrSnapshot> Nmm::asrs() const {
  std::map<protocol::AsrId, std::vector<const NodeRecord*>> evicted;
  for (const auto& [node_id, node] : core_.registry.nodes()) {
    for (const protocol::AsrId asr_id : node.evicted_from) evicted[asr_id].push_back(&node);
  }
  std::vector<AsrSnapshot> out;
  for (const auto& [asr_id, record] : core_.registry.asrs()) {
    AsrSnapshot shown = service::asr_snapshot(record.description);
    const Rollout* rollout = core_.generations.rollout(asr_id);
    shown.phase = phase_of(record, rollout);
    shown.now_ns = core_.now().ns;
    shown.since_ns = core_.clock.instant_of(record.installed_at_s).ns;
    show_wait(record, rollout, shown);
    for (MemberSnapshot& member : shown.members) show_member(record, rollout, member, shown);
    for (const NodeRecord* node : evicted[asr_id]) show_leaving(core_.departures, record, *node, shown);
    for (const protocol::NodeId node_id : record.leaving) {
      const NodeRecord* node = core_.registry.node(node_id);
      if (node != nullptr && !node->evicted_from.contains(asr_id))
        show_leaving(core_.departures, record, *node, shown);
    }
    out.push_back(std::move(shown));
  }
  return out;
}

}  // namespace akm::nmm
