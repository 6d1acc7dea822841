#pragma once
// Records as tests need them.
#include "daemon/nmm/registry.h"

namespace akm::nmm::test {

inline NodeRecord node_record(protocol::NodeId id, const std::string& name) {
  NodeRecord record;
  record.node_id = id;
  record.name = name;
  record.state = NodeState::active;
  record.provisioning_asr = id + 1000;
  record.serial = 1;
  record.activated_serial = 1;
  record.hardware_value.fill(static_cast<std::uint8_t>(id));
  record.endpoints = {"192.0.2." + std::to_string(id) + ":7400"};
  return record;
}

inline AsrRecord asr_record(protocol::AsrId id, const std::vector<protocol::NodeId>& nodes) {
  AsrRecord record;
  record.description.id = id;
  record.description.label = "asr-" + std::to_string(id);
  record.description.generation = 1;
  std::uint16_t index = 0;
  for (const protocol::NodeId node : nodes) {
    record.description.roster.push_back(
        {index++, node, protocol::Role::node, "n" + std::to_string(node), {}});
  }
  return record;
}

}  // namespace akm::nmm::test
