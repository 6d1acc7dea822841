#include "daemon/nmm/nmm.h"

#include <criterion/criterion.h>

#include <chrono>

#include "daemon/base/log.h"
#include "daemon/nmm/record_codec.h"
#include "tests/unit/nmm/nmm_net.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

// What the daemon says of itself is not what is tested: errors only.
void quiet() {
  log::Options options;
  options.target = log::Options::Target::text;
  options.level = log::Level::emergency;
  (void)log::open(options);
}
TestSuite(nmm, .init = quiet);

Done into(std::optional<Status>& result) {
  return [&result](Status status) { result = std::move(status); };
}

const NodeSnapshot* find(const std::vector<NodeSnapshot>& nodes, const std::string& name) {
  const auto at = std::ranges::find(nodes, name, &NodeSnapshot::name);
  return at == nodes.end() ? nullptr : &*at;
}

std::size_t credentials_kept(const MemoryStore& store) {
  return static_cast<std::size_t>(std::ranges::count_if(
      store.records, [](const auto& record) { return record.first.starts_with("nmm-cred-"); }));
}

}  // namespace

Test(nmm, nodes_activate_and_share_an_asr) {
  NmmNet net(4);
  net.activate_all();
  for (const NodeSnapshot& node : net.nmm->nodes()) cr_assert_eq(node.state, "active");
  const auto asr = net.create(4);
  cr_assert_neq(asr, 0U);
  cr_assert(net.agreed(asr, 1, {0, 1, 2, 3}));
  cr_assert_eq(net.nmm->asrs().size(), 1U);
  cr_assert_eq(net.nmm->asrs()[0].phase, "complete");
  cr_assert_eq(credentials_kept(net.store), 0U, "the NMM keeps no secrets of a generation that all have");
  const EventRecord* event = net.event("generation-installed");
  cr_assert_not_null(event);
  cr_assert_eq(event->fields.at("members"), "4");
}

Test(nmm, a_new_member_brings_a_new_generation_for_all) {
  NmmNet net(5);
  net.activate_all();
  const auto asr = net.create(4);
  std::optional<Status> done;
  net.nmm->add_member(asr, net.nodes[4]->node_id, into(done));
  net.run(seconds(2));
  cr_assert(done && *done);
  cr_assert(net.agreed(asr, 2, {0, 1, 2, 3, 4}));
  cr_assert_eq(net.nmm->asrs()[0].members.size(), 5U);
}

Test(nmm, a_removed_member_is_retired_and_the_others_go_on) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  std::optional<Status> done;
  net.nmm->remove_member(asr, net.nodes[1]->node_id, into(done));
  net.run(seconds(2));
  cr_assert(done && *done);
  cr_assert(net.agreed(asr, 2, {0, 2}));
  cr_assert_eq(net.nodes[1]->generation(asr), 0U);
  net.nmm->remove_member(asr, net.nodes[0]->node_id, into(done));
  cr_assert(done->error().code == Errc::wrong_state, "one member alone is no relationship");
}

Test(nmm, a_breach_evicts_the_node_and_nobody_waits_for_it) {
  NmmNet net(5);
  net.activate_all();
  const auto asr = net.create(5);
  net.nodes[2]->report_breach("key-access", 2);
  net.run(milliseconds(100));
  cr_assert(net.agreed(asr, 2, {0, 1, 3, 4}));
  cr_assert_eq(net.nodes[2]->generation(asr), 0U);
  cr_assert(net.nodes[2]->quarantined);
  cr_assert_eq(find(net.nmm->nodes(), "n2")->state, "quarantined");
  const auto decision = protocol::BreachDecision::decode(net.nodes[2]->last_response->body);
  cr_assert_eq(decision->decision, "evict");
  const EventRecord* evicted = net.event("node-evicted");
  cr_assert_not_null(evicted);
  cr_assert_eq(evicted->fields.at("node"), "n2");
  cr_assert_eq(evicted->fields.at("breach_time_from"), "kernel");
  cr_assert_eq(evicted->fields.at("stragglers"), "0");
  cr_assert_eq(evicted->fields.at("members"), "4");
  // Again: it is out already, and nothing changes.
  net.nodes[2]->report_breach("key-access", 2);
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 2, {0, 1, 3, 4}));
}

Test(nmm, a_breach_pre_empts_what_is_under_way) {
  NmmNet net(5);
  net.activate_all();
  const auto asr = net.create(4);
  net.nodes[0]->down = true;  // the next generation cannot complete
  std::optional<Status> added;
  net.nmm->add_member(asr, net.nodes[4]->node_id, into(added));
  net.run(milliseconds(200));
  cr_assert_not(added.has_value());
  net.nodes[2]->report_breach("process-access", 1);
  net.run(milliseconds(200));
  cr_assert(net.agreed(asr, 3, {1, 3, 4}), "nobody waits for the member that is down");
  net.nodes[0]->down = false;
  net.run(seconds(40));
  cr_assert(net.agreed(asr, 3, {0, 1, 3, 4}));
  cr_assert(added.has_value(), "the waiting caller got its answer");
}

Test(nmm, evidence_and_unknown_classes_evict_nobody) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.nodes[0]->report_breach("key-access", 4);
  net.nodes[0]->report_breach("forged-frames", 0);
  net.nodes[0]->report_breach("of-another-version", 0);
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 1, {0, 1, 2}));
  cr_assert_eq(find(net.nmm->nodes(), "n0")->state, "active");
  cr_assert_not_null(net.event("breach-reported"));
}

Test(nmm, one_member_cannot_evict_another_by_its_word) {
  NmmNet net(4);
  net.activate_all();
  const auto asr = net.create(4);
  const std::map<std::string, std::string> accused{{"node_id", hex_id(net.nodes[3]->node_id)}};
  net.nodes[0]->report_breach("cloned-identity", 2, accused);
  net.nodes[0]->report_breach("cloned-identity", 2, accused);
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 1, {0, 1, 2, 3}));
  net.nodes[1]->report_breach("cloned-identity", 2, accused);
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 2, {0, 1, 2}));
  cr_assert_eq(find(net.nmm->nodes(), "n3")->state, "quarantined");
}

Test(nmm, never_evict_and_quorum_floor_hold) {
  NmmSettings settings;
  settings.never_evict = {"n0"};
  settings.recovery.quorum_floor = 3;
  NmmNet net(4, settings);
  net.activate_all();
  const auto asr = net.create(4);
  net.nodes[0]->report_breach("key-access", 2);
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 2, {0, 1, 2, 3}), "new keys, but it stays");
  net.nodes[1]->report_breach("key-access", 2);
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 3, {0, 2, 3}));
  net.nodes[2]->report_breach("key-access", 2);
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 4, {0, 2, 3}), "the floor of three members");
}

Test(nmm, of_a_pair_with_a_breach_nothing_is_left) {
  NmmNet net(2);
  net.activate_all();
  const auto asr = net.create(2);
  net.nodes[0]->report_breach("key-access", 2);
  net.run(seconds(2));
  cr_assert(net.nmm->asrs().empty());
  cr_assert_eq(net.nodes[1]->generation(asr), 0U);
}

Test(nmm, an_operator_takes_a_node_back) {
  NmmNet net(4);
  net.activate_all();
  const auto asr = net.create(4);
  std::optional<Status> done;
  net.nmm->readmit(net.nodes[2]->node_id, into(done));
  cr_assert(done->error().code == Errc::wrong_state);
  done.reset();
  net.nmm->quarantine(net.nodes[2]->node_id, into(done));
  net.run(seconds(2));
  cr_assert(done.has_value());
  cr_assert(*done, "%s", done->error().message().c_str());
  cr_assert(net.agreed(asr, 2, {0, 1, 3}));
  net.nmm->quarantine(net.nodes[2]->node_id, into(done));
  cr_assert(done->error().code == Errc::wrong_state);
  done.reset();
  net.nmm->readmit(net.nodes[2]->node_id, into(done));
  net.run(seconds(3));
  cr_assert(done && *done);
  cr_assert(net.agreed(asr, 3, {0, 1, 2, 3}));
  cr_assert_eq(find(net.nmm->nodes(), "n2")->state, "active");
  cr_assert_not_null(net.event("node-readmitted"));
}

Test(nmm, a_late_member_is_named_and_comes_in_by_itself) {
  NmmNet net(3);
  net.activate_all();
  net.nodes[1]->down = true;
  std::optional<Result<std::uint64_t>> result;
  net.nmm->create_asr("x", {net.nodes[0]->node_id, net.nodes[1]->node_id, net.nodes[2]->node_id}, {},
                      [&result](Result<std::uint64_t> r) { result = std::move(r); });
  net.run(seconds(29));
  cr_assert_not(result.has_value());
  net.run(seconds(10));
  cr_assert(result.has_value());
  cr_assert(result->error().code == Errc::timed_out);
  cr_assert_neq(result->error().detail.find("n1"), std::string::npos);
  const auto asr = net.nmm->asrs().at(0).id;
  cr_assert(net.agreed(asr, 1, {0, 2}));
  cr_assert_eq(credentials_kept(net.store), 1U, "somebody still has to get them");
  net.nodes[1]->down = false;
  net.run(minutes(2));
  cr_assert(net.agreed(asr, 1, {0, 1, 2}));
  cr_assert_eq(credentials_kept(net.store), 0U);
}

Test(nmm, a_member_that_was_away_too_long_gets_a_new_generation_with_all) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3, {{"rekey_interval_s", "60"}});
  net.nodes[1]->down = true;
  net.nmm->rekey(asr, [](const Status&) {});
  net.run(minutes(5));
  cr_assert(net.agreed(asr, 2, {0, 2}));
  cr_assert_eq(credentials_kept(net.store), 0U, "of no use any more: erased");
  net.nodes[1]->down = false;
  net.nodes[1]->heartbeat();
  net.run(seconds(5));
  net.nodes[1]->heartbeat();
  net.run(seconds(20));
  cr_assert_geq(net.nodes[1]->generation(asr), 3U);
  cr_assert_eq(net.nodes[0]->generation(asr), net.nodes[1]->generation(asr));
}

Test(nmm, finishes_what_a_restart_interrupted) {
  NmmNet net(3);
  net.activate_all();
  net.nodes[1]->down = true;
  net.nmm->create_asr("x", {net.nodes[0]->node_id, net.nodes[1]->node_id, net.nodes[2]->node_id}, {},
                      [](const Result<std::uint64_t>&) {});
  net.run(seconds(1));
  net.restart_nmm();
  net.nodes[1]->down = false;
  net.run(seconds(20));
  const auto asr = net.nmm->asrs().at(0).id;
  cr_assert(net.agreed(asr, 1, {0, 1, 2}));
  cr_assert_eq(net.nmm->asrs()[0].phase, "complete");
  cr_assert_eq(credentials_kept(net.store), 0U);
}

Test(nmm, finishes_an_eviction_that_a_restart_interrupted) {
  NmmNet net(4);
  net.activate_all();
  const auto asr = net.create(4);
  // As a crash after the node's record and before the ASR's leaves them.
  auto record = decode_node_record(net.store.records.at(Registry::node_record_name(net.nodes[3]->node_id)));
  record->state = NodeState::quarantined;
  record->evicted_from = {asr};
  record->quarantine_pending = true;
  net.store.records[Registry::node_record_name(net.nodes[3]->node_id)] = encode_node_record(*record);
  net.restart_nmm();
  net.run(seconds(5));
  cr_assert(net.agreed(asr, 2, {0, 1, 2}));
  cr_assert(net.nodes[3]->quarantined);
  cr_assert_eq(net.nodes[3]->generation(asr), 0U);
}

Test(nmm, keeps_its_nodes_and_relationships_over_a_restart) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.restart_nmm();
  cr_assert_eq(net.nmm->nodes().size(), 3U);
  cr_assert_eq(net.nmm->status().state, "ready");
  std::optional<Status> done;
  net.nmm->rekey(asr, into(done));
  net.run(seconds(3));
  cr_assert(done && *done);
  cr_assert(net.agreed(asr, 2, {0, 1, 2}));
}

Test(nmm, a_deleted_relationship_is_gone_everywhere) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  std::optional<Status> done;
  net.nmm->delete_asr(asr, into(done));
  cr_assert(net.nmm->asrs().empty());
  net.run(seconds(2));
  cr_assert(done && *done);
  for (const auto& node : net.nodes) cr_assert_eq(node->generation(asr), 0U);
  net.nmm->delete_asr(asr, into(done));
  cr_assert(done->error().code == Errc::not_found);
  cr_assert_not(net.store.records.contains(Registry::asr_record_name(asr)));
}

Test(nmm, a_stray_relationship_is_retired) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.nodes[2]->down = true;
  net.nmm->remove_member(asr, net.nodes[2]->node_id, [](const Status&) {});
  net.run(minutes(1));
  net.restart_nmm();
  net.nodes[2]->down = false;
  net.nodes[2]->heartbeat();
  net.run(seconds(5));
  cr_assert_eq(net.nodes[2]->generation(asr), 0U);
}

Test(nmm, silence_is_said_and_evicts_nobody) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.run(minutes(3));
  cr_assert_eq(find(net.nmm->nodes(), "n0")->state, "silent");
  cr_assert_not_null(net.event("node-silent"));
  cr_assert(net.agreed(asr, 1, {0, 1, 2}));
  net.nodes[0]->heartbeat();
  net.run(seconds(1));
  cr_assert_eq(find(net.nmm->nodes(), "n0")->state, "active");
  cr_assert_not_null(net.event("node-heard-again"));
}

Test(nmm, generations_are_renewed_when_they_are_old) {
  NmmNet net(2);
  net.activate_all();
  const auto asr = net.create(2, {{"renew_interval_s", "3600"}});
  net.run(minutes(50));
  cr_assert(net.agreed(asr, 1, {0, 1}));
  net.run(minutes(11));
  cr_assert(net.agreed(asr, 2, {0, 1}));
}

Test(nmm, the_provisioning_relationship_is_rekeyed_after_an_install) {
  NmmNet net(2);
  net.activate_all();
  const auto before = net.nodes[0]->view(net.nodes[0]->provisioning)->epoch;
  const auto asr = net.create(2);
  cr_assert_neq(asr, 0U);
  net.run(seconds(10));
  cr_assert_gt(net.nodes[0]->view(net.nodes[0]->provisioning)->epoch, before);
  std::optional<Status> done;
  net.nmm->rekey(asr, into(done));
  net.run(seconds(10));
  cr_assert(done && *done, "requests go on under the new key");
}

Test(nmm, mistakes_of_callers_are_refused) {
  NmmNet net(2);
  std::optional<Result<std::uint64_t>> made;
  const auto take = [&made](Result<std::uint64_t> r) { made = std::move(r); };
  (void)net.prepare(*net.nodes[0], true);
  net.nodes[0]->node_id = net.nmm->nodes().at(0).node_id;
  net.nmm->create_asr("x", {net.nodes[0]->node_id}, {}, take);
  cr_assert(made->error().code == Errc::not_activated);
  net.nmm->create_asr("x", {12345}, {}, take);
  cr_assert(made->error().code == Errc::not_found);
  net.activate_all();
  net.nmm->create_asr("x", {net.nodes[0]->node_id, net.nodes[1]->node_id}, {{"no_such", "1"}}, take);
  cr_assert(made->error().code == Errc::invalid_argument);
  const auto asr = net.create(2);
  net.nmm->create_asr("asr-1", {net.nodes[0]->node_id, net.nodes[1]->node_id}, {}, take);
  cr_assert(made->error().code == Errc::already_exists);
  std::optional<Status> done;
  net.nmm->add_member(asr, net.nodes[0]->node_id, into(done));
  cr_assert(done->error().code == Errc::already_exists);
  net.nmm->add_member(1, net.nodes[0]->node_id, into(done));
  cr_assert(done->error().code == Errc::not_found);
  net.nmm->create_root_secret(into(done));
  cr_assert(done->error().code == Errc::already_exists);
  net.nmm->quarantine(1, into(done));
  cr_assert(done->error().code == Errc::not_found);
}

Test(nmm, a_store_that_fails_changes_nothing) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.store.failing = true;
  std::optional<Status> done;
  net.nmm->rekey(asr, into(done));
  cr_assert(done->error().code == Errc::disk_full);
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 1, {0, 1, 2}));
  net.store.failing = false;
  done.reset();
  net.nmm->rekey(asr, into(done));
  net.run(seconds(2));
  cr_assert(done && *done);
}
