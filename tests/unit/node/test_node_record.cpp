#include "daemon/node/node_record.h"

#include <criterion/criterion.h>

#include "tests/support/memory_store.h"

using namespace akm;
using namespace akm::node;

namespace {

NodeRecord sample() {
  NodeRecord record;
  record.identity.asr_id = 1;
  record.identity.nmm_id = 2;
  record.identity.node_id = 3;
  record.identity.serial = 4;
  record.identity.nmm_name = "nmm";
  record.identity.node_name = "a";
  record.identity.nmm_endpoints = {"10.0.0.1:7401", "[::1]:1"};
  record.identity.policy.heartbeat_interval_s = 9;
  record.hardware_value.fill(5);
  record.use_id.fill(6);
  record.state = NodeState::quarantined;
  record.pending_report = {1, 2, 3};
  return record;
}

}  // namespace

Test(node_record, goes_there_and_back) {
  const auto decoded = NodeRecord::decode(sample().encode());
  cr_assert(decoded.has_value());
  cr_assert(*decoded == sample());
}

Test(node_record, damage_is_state_corrupt) {
  const auto whole = sample().encode();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto decoded = NodeRecord::decode(std::span(whole).first(size));
    cr_assert_not(decoded.has_value());
    cr_assert_eq(decoded.error().code, Errc::state_corrupt);
  }
  NodeRecord nobody = sample();
  nobody.identity.node_id = 0;
  cr_assert_not(NodeRecord::decode(nobody.encode()).has_value());
  NodeRecord unstorable = sample();
  unstorable.state = NodeState::activating;
  cr_assert_not(NodeRecord::decode(unstorable.encode()).has_value(),
                "activating is not a state to be stored");
}

Test(node_record, is_kept_in_the_store) {
  test::MemoryStore store;
  NodeRecords records(store);
  cr_assert_not(records.load()->has_value());
  cr_assert(records.save(sample()).has_value());
  cr_assert(records.load().value() == sample());
  cr_assert(records.erase().has_value());
  cr_assert_not(records.load()->has_value());
  store.corrupt["node"] = true;
  cr_assert_eq(records.load().error().code, Errc::state_corrupt);
}

Test(node_record, used_bundles_are_remembered_up_to_a_limit) {
  test::MemoryStore store;
  NodeRecords records(store);
  protocol::SingleUseId id{};
  cr_assert_not(records.was_used(id).value());
  for (std::size_t i = 0; i < kUsedBundles + 1; ++i) {
    id[0] = static_cast<std::uint8_t>(i);
    id[1] = static_cast<std::uint8_t>(i >> 8);
    cr_assert(records.add_used(id).has_value());
    cr_assert(records.add_used(id).has_value(), "twice is once");
  }
  cr_assert(records.was_used(id).value());
  cr_assert_not(records.was_used(protocol::SingleUseId{}).value(), "the oldest went");
  cr_assert(records.remove_used(id).has_value());
  cr_assert_not(records.was_used(id).value(), "its use came to nothing");
  store.records["used-bundles"].pop_back();
  cr_assert_eq(records.was_used(id).error().code, Errc::state_corrupt);
}
