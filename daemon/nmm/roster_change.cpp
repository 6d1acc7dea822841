#include "daemon/nmm/roster_change.h"

#include <algorithm>

namespace akm::nmm {

protocol::Member member_of(const NodeRecord& node, std::uint16_t index) {
  protocol::Member member;
  member.index = index;
  member.node_id = node.node_id;
  member.role = protocol::Role::node;
  member.name = node.name;
  member.endpoints = node.endpoints;
  if (member.endpoints.empty() && !node.peer.empty()) member.endpoints.push_back(node.peer);
  return member;
}

Result<protocol::AsrDescription> new_description(protocol::AsrId asr_id, std::string label,
                                                 std::span<const NodeRecord* const> nodes,
                                                 const protocol::Policy& policy) {
  protocol::AsrDescription description;
  description.id = asr_id;
  description.kind = protocol::Kind::operational;
  description.label = std::move(label);
  description.generation = 1;
  description.policy = policy;
  if (nodes.size() > protocol::limits::kMembers)
    return fail(Errc::limit_exceeded, "members of one relationship");
  std::uint16_t index = 0;
  for (const NodeRecord* node : nodes) description.roster.push_back(member_of(*node, index++));
  AKM_TRY(description.check());
  return description;
}

Result<protocol::AsrDescription> with_member(protocol::AsrDescription description, const NodeRecord& node) {
  if (description.member_by_node(node.node_id) != nullptr) return fail(Errc::already_exists, node.name);
  auto& roster = description.roster;
  if (roster.size() >= protocol::limits::kMembers)
    return fail(Errc::limit_exceeded, "members of one relationship");
  std::uint16_t index = 0;
  auto at = roster.begin();
  while (at != roster.end() && at->index == index) {
    ++at;
    ++index;
  }
  roster.insert(at, member_of(node, index));
  return description;
}

Result<protocol::AsrDescription> without_member(protocol::AsrDescription description,
                                                protocol::NodeId node_id) {
  const auto gone =
      std::erase_if(description.roster, [node_id](const auto& m) { return m.node_id == node_id; });
  if (gone == 0) return fail(Errc::not_found, "the node is no member");
  return description;
}

void refresh_members(protocol::AsrDescription& description, const Registry& registry) {
  for (protocol::Member& member : description.roster) {
    if (const NodeRecord* node = registry.node(member.node_id)) member = member_of(*node, member.index);
  }
}

}  // namespace akm::nmm
