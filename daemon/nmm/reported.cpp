#include "daemon/nmm/reported.h"

#include "daemon/base/hex.h"

namespace akm::nmm {

protocol::ReportedNode reported(const NodeRecord& record) {
  protocol::ReportedNode out;
  out.change = record.change;
  out.id = record.node_id;
  out.provisioning_asr = record.provisioning_asr;
  out.name = record.name;
  out.peer = record.peer;
  out.state = static_cast<std::uint8_t>(record.state);
  out.newest = {record.serial, record.root, record.hardware_value};
  out.prior = record.prior;
  out.activated = record.activated_serial;
  out.binding = record.bind_pending;
  out.version = record.version;
  out.endpoints = record.endpoints;
  out.evicted = record.evicted_from;
  out.attestation_key = record.attestation_key;
  out.pcr_digest = record.pcr_digest;
  out.golden = record.golden_pcrs;
  out.zeroize = record.zeroize_pending;
  return out;
}

protocol::ReportedAsr reported(const AsrRecord& record) {
  protocol::ReportedAsr out;
  out.change = record.change;
  out.id = record.description.id;
  out.label = record.description.label;
  out.suite = record.description.suite;
  out.generation = record.description.generation;
  for (const protocol::Member& member : record.description.roster)
    out.roster.emplace_back(member.index, member.node_id);
  out.policy = record.description.policy;
  return out;
}

NodeRecord restored(const protocol::ReportedNode& node) {
  NodeRecord out;
  out.node_id = node.id;
  out.name = node.name;
  out.state = static_cast<NodeState>(node.state);
  if (out.state == NodeState::silent) out.state = NodeState::active;
  out.provisioning_asr = node.provisioning_asr;
  out.serial = node.newest.serial;
  out.root = node.newest.root;
  out.hardware_value = node.newest.hardware_value;
  out.prior = node.prior;
  out.activated_serial = node.activated;
  out.bind_pending = node.binding;
  out.version = node.version;
  out.endpoints = node.endpoints;
  out.evicted_from = node.evicted;
  // Whether the lost NMM has told it, nobody knows: it is told again.
  out.quarantine_pending = out.state == NodeState::quarantined;
  out.attestation_key = node.attestation_key;
  out.pcr_digest = node.pcr_digest;
  out.golden_pcrs = node.golden;
  out.zeroize_pending = node.zeroize;
  out.peer = node.peer;
  return out;
}

Result<AsrRecord> restored(const protocol::ReportedAsr& asr, const Registry& registry) {
  AsrRecord out;
  protocol::AsrDescription& description = out.description;
  description.id = asr.id;
  description.label = asr.label;
  description.suite = asr.suite;
  description.generation = asr.generation;
  description.policy = asr.policy;
  for (const auto& [index, node_id] : asr.roster) {
    const NodeRecord* node = registry.node(node_id);
    if (node == nullptr) return fail(Errc::not_found, "member " + hex_id(node_id) + " of " + asr.label);
    description.roster.push_back({.index = index,
                                  .node_id = node_id,
                                  .role = protocol::Role::node,
                                  .name = node->name,
                                  .endpoints = node->endpoints});
  }
  AKM_TRY(description.check());
  out.complete = true;
  return out;
}

}  // namespace akm::nmm
