#pragma once
// The next roster of an ASR, purely: indexes stay with their members, a new member takes the lowest free one.
#include <span>

#include "daemon/nmm/registry.h"
#include "daemon/protocol/asr.h"

namespace akm::nmm {

/// What rosters say of a node: its declared endpoints, else where it was last heard.
protocol::Member member_of(const NodeRecord& node, std::uint16_t index);

/// invalid_argument for fewer than two nodes or the same one twice (see AsrDescription::check()).
Result<protocol::AsrDescription> new_description(protocol::AsrId asr_id, std::string label,
                                                 std::span<const NodeRecord* const> nodes,
                                                 const protocol::Policy& policy);
/// already_exists, limit_exceeded.
Result<protocol::AsrDescription> with_member(protocol::AsrDescription description, const NodeRecord& node);
/// not_found. May leave fewer than two members: then there is nothing left to relate.
Result<protocol::AsrDescription> without_member(protocol::AsrDescription description,
                                                protocol::NodeId node_id);
/// Names and endpoints as the registry knows them now: they may change without a new key, but not by
/// themselves.
void refresh_members(protocol::AsrDescription& description, const Registry& registry);

inline constexpr std::size_t kLeastMembers = 2;

}  // namespace akm::nmm
