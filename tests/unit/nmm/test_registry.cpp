#include "daemon/nmm/registry.h"

#include <criterion/criterion.h>

#include <set>

#include "tests/unit/nmm/memory_store.h"
#include "tests/unit/nmm/records.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;

Test(registry, finds_by_id_name_and_provisioning_asr) {
  MemoryStore store;
  Registry registry(store);
  cr_assert(registry.put(node_record(1, "a")));
  cr_assert(registry.put(node_record(2, "b")));
  cr_assert_eq(registry.node(2)->name, "b");
  cr_assert_eq(registry.node_by_name("a")->node_id, 1U);
  cr_assert_eq(registry.node_by_provisioning_asr(1002)->node_id, 2U);
  cr_assert_null(registry.node(3));
  cr_assert_null(registry.node_by_name("c"));
  cr_assert_null(registry.node_by_provisioning_asr(2));
}

Test(registry, knows_the_relationships_of_a_node) {
  MemoryStore store;
  Registry registry(store);
  cr_assert(registry.put(asr_record(7, {1, 2, 3})));
  cr_assert(registry.put(asr_record(8, {1, 2})));
  cr_assert(registry.asrs_of(1) == (std::set<protocol::AsrId>{7, 8}));
  cr_assert(registry.put(asr_record(7, {2, 3})));
  cr_assert(registry.asrs_of(1) == (std::set<protocol::AsrId>{8}));
  AsrRecord deleted = asr_record(8, {1, 2});
  deleted.deleted = true;
  cr_assert(registry.put(std::move(deleted)));
  cr_assert(registry.asrs_of(1).empty(), "a deleted relationship has no members");
  cr_assert(registry.remove_asr(8));
  cr_assert_null(registry.asr(8));
}

Test(registry, survives_a_restart) {
  MemoryStore store;
  {
    Registry registry(store);
    NodeRecord node = node_record(1, "a");
    node.evicted_from = {7};
    node.quarantine_pending = true;
    node.state = NodeState::quarantined;
    cr_assert(registry.put(std::move(node)));
    cr_assert(registry.put(asr_record(7, {2, 3})));
  }
  Registry again(store);
  const auto findings = again.load();
  cr_assert(findings.has_value());
  cr_assert(findings->empty());
  cr_assert(again.node(1)->state == NodeState::quarantined);
  cr_assert(again.node(1)->evicted_from.contains(7));
  cr_assert(again.node(1)->quarantine_pending);
  cr_assert_eq(again.asrs_of(2).size(), 1U);
}

Test(registry, a_silent_node_is_active_after_a_restart) {
  MemoryStore store;
  {
    Registry registry(store);
    NodeRecord node = node_record(1, "a");
    node.state = NodeState::silent;
    cr_assert(registry.put(std::move(node)));
  }
  Registry again(store);
  cr_assert(again.load().has_value());
  cr_assert(again.node(1)->state == NodeState::active);
}

Test(registry, a_store_that_refuses_changes_nothing) {
  MemoryStore store;
  Registry registry(store);
  cr_assert(registry.put(node_record(1, "a")));
  store.failing = true;
  NodeRecord other = node_record(1, "a");
  other.serial = 2;
  const Status refused = registry.put(std::move(other));
  cr_assert(refused.error().code == Errc::disk_full);
  cr_assert_eq(registry.node(1)->serial, 1U);
  cr_assert_not(registry.put(asr_record(7, {1, 2})).has_value());
  cr_assert_null(registry.asr(7));
}

Test(registry, two_nodes_cannot_have_one_name) {
  MemoryStore store;
  Registry registry(store);
  cr_assert(registry.put(node_record(1, "a")));
  cr_assert(registry.put(node_record(2, "a")).error().code == Errc::already_exists);
  cr_assert_null(registry.node(2));
}

Test(registry, a_record_that_is_not_one_is_kept_and_named) {
  MemoryStore store;
  store.records[Registry::node_record_name(1)] = {1, 2, 3};
  store.records[Registry::asr_record_name(9)] = {};
  store.records["asr-0000000000000001"] = {7};  // the engine's: not ours to judge
  // A record under another node's name is no record of that node.
  Registry writer(store);
  cr_assert(writer.put(node_record(5, "e")));
  store.records[Registry::node_record_name(6)] = store.records[Registry::node_record_name(5)];
  Registry registry(store);
  const auto findings = registry.load();
  cr_assert(findings.has_value());
  cr_assert_eq(findings->size(), 3U);
  cr_assert_eq(registry.nodes().size(), 1U);
  cr_assert_eq(store.records.size(), 5U);
}

Test(registry, every_state_has_its_name) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kNodeStateCount; ++i) names.insert(node_state_name(static_cast<NodeState>(i)));
  cr_assert_eq(names.size(), kNodeStateCount);
  cr_assert_not(names.contains("unknown"));
}

Test(registry, an_answer_says_what_a_member_holds_at_least) {
  MemoryStore store;
  Registry registry(store);
  cr_assert(registry.put(node_record(1, "n1")));
  registry.note_held(1, 8, 3, Instant{5});
  const ReportedAsr& held = registry.node(1)->reported.at(8);
  cr_assert(held.generation == 3 && held.epoch == 1 && held.since == Instant{5} && held.by_answer);
  registry.volatile_part(1)->reported[8] = {.generation = 3, .epoch = 9, .phase = 0, .since = Instant{6}};
  registry.note_held(1, 8, 3, Instant{7});
  cr_assert_eq(held.epoch, 9U, "the heartbeat knew more");
  registry.note_held(99, 8, 3, Instant{7});  // no such node: nothing
  cr_assert_eq(registry.node(99), nullptr);
}

Test(registry, knows_its_records_by_name_and_the_secrets_that_nodes_hang_on) {
  cr_assert(Registry::is_record_name(Registry::node_record_name(1)));
  cr_assert(Registry::is_record_name(Registry::asr_record_name(1)));
  cr_assert_not(Registry::is_record_name("nmm-root"));
  cr_assert_not(Registry::is_record_name("nmm-gone-0000000000000001"));
  MemoryStore store;
  Registry registry(store);
  NodeRecord node = node_record(1, "a");
  node.root = 3;
  node.prior = protocol::Derivation{1, 2, {}};
  cr_assert(registry.put(node).has_value());
  NodeRecord gone = node_record(2, "b");
  gone.root = 1;
  gone.state = NodeState::retired;
  cr_assert(registry.put(gone).has_value());
  cr_assert(secrets_in_use(registry) == (std::set<std::uint32_t>{2, 3}));
}
