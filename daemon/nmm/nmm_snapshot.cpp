// What an NMM shows of itself: the const half of its control port.
#include <algorithm>

#include "daemon/nmm/nmm.h"
#include "daemon/service/snapshot.h"

namespace akm::nmm {
namespace {

std::string phase_of(const AsrRecord& record, const Rollout* rollout) {
  if (record.deleted) return "retiring";
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

}  // namespace

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
  out.counters = service::counter_map(core_.shell.engine().counters());
  out.counters["store_failures"] = core_.shell.counters().store_failures;
  out.counters["events_dropped"] = core_.shell.counters().events_dropped;
  out.counters["nodes"] = core_.registry.nodes().size();
  out.counters["relationships"] = core_.registry.asrs().size();
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
  std::ranges::sort(out, {}, &NodeSnapshot::name);
  return out;
}

std::vector<AsrSnapshot> Nmm::asrs() const {
  std::vector<AsrSnapshot> out;
  for (const auto& [asr_id, record] : core_.registry.asrs()) {
    if (record.deleted) continue;
    AsrSnapshot shown = service::asr_snapshot(record.description);
    const Rollout* rollout = core_.generations.rollout(asr_id);
    shown.phase = phase_of(record, rollout);
    for (MemberSnapshot& member : shown.members) {
      const NodeRecord* node = core_.registry.node(member.node_id);
      member.state = member_state(node, rollout);
      if (node == nullptr) continue;
      const auto reported = node->reported.find(asr_id);
      if (reported == node->reported.end()) continue;
      member.generation = reported->second.generation;
      member.epoch = reported->second.epoch;
      if (member.generation == shown.generation) shown.epoch = std::max(shown.epoch, member.epoch);
    }
    out.push_back(std::move(shown));
  }
  return out;
}

}  // namespace akm::nmm
