#include "daemon/nmm/reported.h"

#include <criterion/criterion.h>

#include "tests/unit/nmm/memory_store.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;

namespace {

NodeRecord sample(protocol::NodeId id) {
  NodeRecord out;
  out.node_id = id;
  out.name = "n" + std::to_string(id);
  out.state = NodeState::active;
  out.provisioning_asr = 100 + id;
  out.serial = 3;
  out.root = 2;
  out.prior = protocol::Derivation{2, 1, {7}};
  out.hardware_value = {7};
  out.endpoints = {"192.0.2." + std::to_string(id) + ":7400"};
  out.activated_serial = 2;
  out.bind_pending = true;
  out.version = "0.1.0";
  out.evicted_from = {9};
  out.attestation_key = {1, 2};
  out.pcr_digest = protocol::Digest32{8};
  out.golden_pcrs = true;
  out.peer = "192.0.2.1:7400";
  out.change = 55;
  return out;
}

}  // namespace

Test(reported, a_node_comes_back_as_it_was) {
  const NodeRecord node = sample(1);
  const NodeRecord again = restored(*protocol::ReportedNode::decode(reported(node).encode()));
  cr_assert(reported(again) == [&] {
    auto wanted = reported(node);
    wanted.change = 0;  // its number is that of the one who restores it
    return wanted;
  }());
  cr_assert(again.bind_pending);
  cr_assert(again.golden_pcrs, "else other PCRs would be taken for the first ones");
  cr_assert_not(again.quarantine_pending);
}

Test(reported, a_retired_node_that_was_not_reached_is_still_to_be_erased) {
  NodeRecord node = sample(1);
  node.state = NodeState::retired;
  node.zeroize_pending = true;
  const NodeRecord again = restored(*protocol::ReportedNode::decode(reported(node).encode()));
  cr_assert(again.state == NodeState::retired && again.zeroize_pending);
}

Test(reported, a_quarantined_node_is_told_again_and_a_silent_one_gets_a_new_chance) {
  NodeRecord node = sample(1);
  node.state = NodeState::quarantined;
  cr_assert(restored(reported(node)).quarantine_pending);
  node.state = NodeState::silent;
  cr_assert(restored(reported(node)).state == NodeState::active);
}

Test(reported, a_relationship_gets_names_and_endpoints_of_its_nodes) {
  MemoryStore store;
  Registry registry(store);
  cr_assert(registry.put(sample(1)));
  AsrRecord asr;
  asr.description.id = 9;
  asr.description.label = "ring";
  asr.description.generation = 4;
  for (std::uint16_t i = 0; i < 2; ++i)
    asr.description.roster.push_back({i, static_cast<protocol::NodeId>(i) + 1, protocol::Role::node, "", {}});
  const auto told = reported(asr);
  cr_assert(restored(told, registry).error().code == Errc::not_found, "a member has no record");
  cr_assert(registry.put(sample(2)));
  const auto again = restored(told, registry);
  cr_assert(again);
  cr_assert(again->complete);
  cr_assert_eq(again->description.generation, 4U);
  cr_assert_str_eq(again->description.roster[1].name.c_str(), "n2");
  cr_assert_str_eq(again->description.roster[1].endpoints[0].c_str(), "192.0.2.2:7400");
}
