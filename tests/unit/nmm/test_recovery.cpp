#include "daemon/nmm/recovery.h"

#include <criterion/criterion.h>

#include <chrono>

#include "tests/unit/nmm/nmm_net.h"

#include "daemon/nmm/record_codec.h"
using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TestSuite(recovery, .init = quiet);

Test(recovery, a_breach_evicts_the_node_and_nobody_waits_for_it) {
  NmmNet net(5);
  net.activate_all();
  const auto asr = net.create(5);
  net.nodes[2]->report_breach("key-access", 2);
  net.run(milliseconds(100));
  cr_assert(net.agreed(asr, 2, {0, 1, 3, 4}));
  cr_assert_eq(net.nodes[2]->generation(asr), 0U);
  cr_assert(net.nodes[2]->quarantined);
  cr_assert_eq(net.state_of("n2"), "quarantined");
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

Test(recovery, evidence_and_unknown_classes_evict_nobody) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.nodes[0]->report_breach("key-access", 4);
  net.nodes[0]->report_breach("forged-frames", 0);
  net.nodes[0]->report_breach("of-another-version", 0);
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 1, {0, 1, 2}));
  cr_assert_eq(net.state_of("n0"), "active");
  cr_assert_not_null(net.event("breach-reported"));
}

Test(recovery, one_member_cannot_evict_another_by_its_word) {
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
  cr_assert_eq(net.state_of("n3"), "quarantined");
}

Test(recovery, two_that_accuse_each_other_both_stay) {
  NmmNet net(4);
  net.activate_all();
  const auto asr = net.create(4);
  const auto accuse = [&](std::size_t who, std::size_t whom) {
    net.nodes[who]->report_breach("cloned-identity", 2, {{"node_id", hex_id(net.nodes[whom]->node_id)}});
    net.run(seconds(1));
  };
  accuse(0, 3);
  accuse(3, 0);
  cr_assert(net.agreed(asr, 1, {0, 1, 2, 3}));
}

Test(recovery, who_was_put_out_has_no_word_any_more) {
  NmmNet net(5);
  net.activate_all();
  const auto asr = net.create(5);
  const auto accuse = [&](std::size_t who, std::size_t whom) {
    net.nodes[who]->report_breach("cloned-identity", 2, {{"node_id", hex_id(net.nodes[whom]->node_id)}});
    net.run(seconds(1));
  };
  accuse(0, 3);
  net.nodes[0]->report_breach("key-access", 2);
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 2, {1, 2, 3, 4}));
  accuse(1, 3);
  cr_assert(net.agreed(asr, 2, {1, 2, 3, 4}), "one word counts, the other was an intruder's");
  accuse(2, 3);
  cr_assert(net.agreed(asr, 3, {1, 2, 4}));
}

Test(recovery, never_evict_and_quorum_floor_hold) {
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

Test(recovery, of_a_pair_with_a_breach_nothing_is_left) {
  NmmNet net(2);
  net.activate_all();
  const auto asr = net.create(2);
  net.nodes[0]->report_breach("key-access", 2);
  net.run(seconds(2));
  cr_assert(net.nmm->asrs().empty());
  cr_assert_eq(net.nodes[1]->generation(asr), 0U);
}

Test(recovery, an_operator_takes_a_node_back) {
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
  cr_assert_eq(net.state_of("n2"), "active");
  cr_assert_not_null(net.event("node-readmitted"));
}

Test(recovery, an_eviction_that_cannot_be_stored_changes_nothing) {
  NmmNet net(4);
  net.activate_all();
  const auto first = net.create(4);
  const auto second = net.create(4);
  net.store.failing = true;
  std::optional<Status> done;
  net.nmm->quarantine(net.nodes[2]->node_id, into(done));
  cr_assert(done && done->error().code == Errc::disk_full);
  net.run(seconds(2));
  cr_assert_eq(net.state_of("n2"), "active");
  cr_assert(net.agreed(first, 1, {0, 1, 2, 3}) && net.agreed(second, 1, {0, 1, 2, 3}));
  net.store.failing = false;
  done.reset();
  net.nmm->quarantine(net.nodes[2]->node_id, into(done));
  net.run(seconds(2));
  cr_assert(done && *done);
  cr_assert(net.agreed(first, 2, {0, 1, 3}) && net.agreed(second, 2, {0, 1, 3}));
}

Test(recovery, finishes_an_eviction_that_a_restart_interrupted) {
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

Test(recovery, an_asr_can_have_a_policy_of_its_own) {
  NmmNet net(4);
  net.activate_all();
  const auto asr = net.create(4);
  cr_assert(net.nmm->policy_port()
                .set_policy_text("asr:" + hex_id(asr), "[recovery]\non_critical = \"rekey\"\n")
                .has_value());
  net.nodes[2]->report_breach("key-access", 2);
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 2, {0, 1, 2, 3}), "new keys, and the node is still in");
  cr_assert(
      net.nmm->policy_port().set_policy_text("domain", "[recovery]\nnever_evict = [\"n1\"]\n").has_value());
  net.nodes[1]->report_breach("key-access", 2);
  net.run(seconds(1));
  cr_assert_eq(net.state_of("n1"), "active");
}

Test(recovery, a_report_that_comes_again_is_not_answered_again) {
  NmmNet net(4);
  net.activate_all();
  const auto asr = net.create(4);
  protocol::BreachReport report;
  report.detection = "key-access";
  report.severity = 2;
  report.boottime_ns = static_cast<std::uint64_t>(net.now.ns);
  net.nodes[2]->send(protocol::Method::breach_report, report.encode());
  net.run(seconds(1));
  cr_assert_eq(net.state_of("n2"), "quarantined");
  net.nmm->readmit(net.nodes[2]->node_id, [](const Status&) {});
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 3, {0, 1, 2, 3}));
  net.nodes[2]->send(protocol::Method::breach_report, report.encode());
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 3, {0, 1, 2, 3}), "it is still in");
  net.nodes[2]->report_breach("key-access", 2);
  net.run(seconds(1));
  cr_assert_eq(net.state_of("n2"), "quarantined", "another one is another incident");
}

Test(recovery, half_of_the_members_at_once) {
  NmmNet net(10);
  net.activate_all();
  const auto asr = net.create(10);
  for (std::size_t i = 0; i < 5; ++i) net.nodes[i]->report_breach("key-access", 2);
  net.run(seconds(5));
  for (std::size_t i = 0; i < 4; ++i) {
    cr_assert_eq(net.state_of("n" + std::to_string(i)), "quarantined");
    cr_assert_eq(net.nodes[i]->generation(asr), 0U);
  }
  cr_assert_eq(net.state_of("n4"), "active", "four in the window: new keys, and an operator's word for more");
  const std::uint32_t last = net.nodes[9]->generation(asr);
  cr_assert_geq(last, 2U);
  cr_assert(net.agreed(asr, last, {4, 5, 6, 7, 8, 9}));
  for (std::size_t i = 0; i < 4; ++i) net.nmm->readmit(net.nodes[i]->node_id, [](const Status&) {});
  net.run(seconds(10));
  cr_assert(net.agreed(asr, net.nodes[9]->generation(asr), {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}), "and back");
}

Test(recovery, a_breach_in_the_middle_of_a_rekey) {
  NmmNet net(5);
  net.activate_all();
  const auto asr = net.create(5);
  net.nodes[4]->down = true;  // so that the rollout is under way
  net.nmm->rekey(asr, [](const Status&) {});
  net.run(milliseconds(100));
  net.nodes[2]->report_breach("key-access", 2);
  net.run(seconds(5));
  net.nodes[4]->down = false;
  net.nodes[4]->heartbeat();
  net.run(minutes(2));
  cr_assert_eq(net.nodes[2]->generation(asr), 0U);
  const std::uint32_t last = net.nodes[0]->generation(asr);
  cr_assert_geq(last, 3U, "not the one that was on its way, which the node was to have");
  cr_assert(net.agreed(asr, last, {0, 1, 3, 4}));
}

Test(recovery, a_false_alarm_is_undone_before_its_end) {
  NmmNet net(5);
  net.activate_all();
  const auto asr = net.create(5);
  net.nodes[4]->down = true;  // the eviction is not complete without its answer
  net.nodes[2]->report_breach("key-access", 2);
  net.run(milliseconds(50));
  std::optional<Status> done;
  net.nmm->readmit(net.nodes[2]->node_id, into(done));
  net.run(seconds(2));
  net.nodes[4]->down = false;
  net.nodes[4]->heartbeat();
  net.run(minutes(2));
  cr_assert(done.has_value());
  cr_assert(net.agreed(asr, net.nodes[0]->generation(asr), {0, 1, 2, 3, 4}));
  cr_assert_neq(net.state_of("n2"), "quarantined");
}

Test(recovery, a_restart_gives_no_limit_back) {
  NmmSettings settings;
  settings.recovery.evictions_per_window = 1;
  NmmNet net(6, settings);
  net.activate_all();
  const auto asr = net.create(6);
  net.nodes[0]->report_breach("key-access", 2);
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 2, {1, 2, 3, 4, 5}));
  net.restart_nmm();
  net.run(seconds(5));
  net.nodes[1]->report_breach("key-access", 2);
  net.run(seconds(1));
  cr_assert_eq(net.state_of("n1"), "active", "one eviction in the window");
  cr_assert(net.agreed(asr, 3, {1, 2, 3, 4, 5}), "it costs new keys");
  // Rekeys have a limit as well, and the restart is in the middle of it.
  for (int i = 0; i < 8; ++i) {
    net.nodes[1]->report_breach("key-access", 2);
    net.run(seconds(1));
    net.restart_nmm();
    net.run(seconds(5));
  }
  cr_assert_eq(net.nodes[2]->generation(asr), 6U, "four rekeys in the window");
}

Test(recovery, a_restart_does_not_let_a_report_be_answered_again) {
  NmmNet net(4);
  net.activate_all();
  const auto asr = net.create(4);
  protocol::BreachReport report;
  report.detection = "key-access";
  report.severity = 2;
  report.boottime_ns = static_cast<std::uint64_t>(net.now.ns);
  net.nodes[2]->send(protocol::Method::breach_report, report.encode());
  net.run(seconds(1));
  net.nmm->readmit(net.nodes[2]->node_id, [](const Status&) {});
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 3, {0, 1, 2, 3}));
  net.restart_nmm();
  net.run(seconds(5));
  net.nodes[2]->send(protocol::Method::breach_report, report.encode());
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 3, {0, 1, 2, 3}), "it is still in");
}

Test(recovery, a_window_keeps_evidence_from_costing_new_keys) {
  NmmSettings settings;
  settings.recovery.on_evidence = policy::Verdict::rekey;
  NmmNet net(3, settings);
  net.activate_all();
  const auto asr = net.create(3);
  cr_assert(net.nmm->policy_port().start_maintenance("domain", 60, "an update").has_value());
  net.nodes[0]->report_breach("module-load", 4);
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 1, {0, 1, 2}));
  net.nodes[0]->report_breach("key-access", 4);  // never excused
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 2, {0, 1, 2}));
  net.run(seconds(60));
  net.nodes[0]->report_breach("module-load", 4);
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 3, {0, 1, 2}));
}

namespace {

/// The same report, as often as it is sent.
void report_of(NmmNet& net, std::size_t who) {
  protocol::BreachReport breach;
  breach.detection = "key-access";
  breach.severity = 2;
  breach.boottime_ns = 1000 + who;
  net.nodes[who]->send(protocol::Method::breach_report, breach.encode());
  net.run(milliseconds(500));
}

/// One eviction and one rekey are allowed; three nodes report, and the daemon is killed at that point of its
/// writing. False when there is no such point.
bool killed_at(std::size_t point) {
  NmmSettings settings;
  settings.recovery.evictions_per_window = 1;
  settings.recovery.rekeys_per_window = 1;
  NmmNet net(4, settings);
  net.activate_all();
  const auto asr = net.create(4);
  bool killed = false;
  net.store.kill = {.at = point, .killed = [&] { net.nmm_down = killed = true; }};
  for (std::size_t who = 0; who < 3; ++who) {
    report_of(net, who);
    if (!net.nmm_down) continue;
    net.store.kill = {};
    net.nmm_down = false;
    net.restart_nmm();
    net.run(seconds(1));
    report_of(net, who);
  }
  net.run(seconds(2));
  cr_assert_eq(net.state_of("n0"), "quarantined", "killed at %zu", point);
  for (const char* name : {"n1", "n2"}) cr_assert_eq(net.state_of(name), "active", "%s: at %zu", name, point);
  const auto generation = net.nodes[3]->generation(asr);
  cr_assert(generation == 2 || generation == 3, "killed at %zu: %u", point, generation);
  cr_assert(net.agreed(asr, generation, {1, 2, 3}), "killed at %zu", point);
  return killed;
}

}  // namespace

Test(recovery, killed_at_any_write_it_gives_no_limit_back_and_finishes_what_it_began) {
  std::size_t point = 0;
  while (killed_at(point)) ++point;
  cr_assert_gt(point, 10);
}
