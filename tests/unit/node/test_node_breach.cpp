#include <criterion/criterion.h>

#include "tests/support/node_bench.h"

using namespace akm;
using namespace akm::test;
using node::NodeState;
using protocol::Method;

namespace {

void attack(NodeBench& bench, std::uint32_t uid = 0) {
  bpf::ProbeRecord record = foreign_key_read(bench.probes.guarded.empty() ? 1 : bench.probes.guarded.front());
  record.uid = uid;
  static std::int64_t seen_ns = record.boottime_ns;  // each is an incident of its own
  record.boottime_ns = seen_ns++;
  bench.probes.records.push_back(record);
  bench.node->sentry().readable();
}

std::size_t position(const NodeBench& bench, std::string_view name) {
  const auto& all = bench.events.history();
  const auto found = std::ranges::find(all, name, &EventRecord::name);
  cr_assert(found != all.end(), "no event %s", std::string(name).c_str());
  return static_cast<std::size_t>(found - all.begin());
}

}  // namespace

Test(node_breach, keys_go_first_then_the_nmm_is_told_then_the_bus) {
  NodeBench bench;
  bench.make_member();
  bench.asked.clear();
  bench.asked_bodies.clear();
  attack(bench);
  cr_assert_not(bench.keys.has_keys_of(kOperationalAsr), "before a single frame");
  cr_assert(bench.keys.has_keys_of(kProvisioningAsr), "the line to the NMM stays");
  cr_assert_eq(bench.state(), NodeState::quarantined);
  cr_assert_eq(bench.node->asrs().size(), 1);
  cr_assert_eq(bench.store.records.count("asr-0000000000006001"), 0);
  bench.settle();
  cr_assert_geq(bench.count(Method::breach_report), 1);
  const auto report = protocol::BreachReport::decode(bench.asked_bodies.at(0));
  cr_assert_eq(report->detection, "key-access");
  cr_assert_eq(report->severity, 2);
  cr_assert_eq(report->boottime_ns, 4711);
  cr_assert_eq(report->subject.at("comm"), "keyctl");
  cr_assert_lt(position(bench, "keys-revoked"), position(bench, "breach-detected"));
  cr_assert_lt(position(bench, "breach-detected"), position(bench, "breach-reported"));
  const EventRecord& detected = *bench.event("breach-detected");
  cr_assert_eq(detected.boottime_ns, 4711, "the time of the system call");
  cr_assert_eq(detected.fields.at("class"), "key-access");
  cr_assert_eq(bench.event("breach-reported")->fields.at("decision"), "evict");
}

Test(node_breach, the_report_does_not_wait_for_the_disk) {
  NodeBench bench;
  bench.make_member();
  bench.settle();
  bench.store.log.clear();
  attack(bench);
  bench.settle();
  cr_assert_eq(bench.store.log.at(0), "send");
  cr_assert(std::ranges::find(bench.store.log, "remove asr-0000000000006001") != bench.store.log.end());
  cr_assert(std::ranges::find(bench.store.log, "write node") != bench.store.log.end());
}

Test(node_breach, the_report_outlives_a_dead_network_and_a_restart) {
  NodeBench bench;
  bench.make_member();
  bench.drop_all = true;
  attack(bench);
  bench.pass(std::chrono::seconds(40));
  bench.start();
  cr_assert_eq(bench.state(), NodeState::quarantined);
  bench.drop_all = false;
  bench.asked.clear();
  bench.pass(std::chrono::seconds(60));
  cr_assert_eq(bench.count(Method::breach_report), 1);
  cr_assert(bench.event("breach-reported") != nullptr);
  bench.asked.clear();
  bench.start();
  bench.pass(std::chrono::seconds(60));
  cr_assert_eq(bench.count(Method::breach_report), 0, "an answered report is not sent again");
}

Test(node_breach, an_install_from_before_the_breach_gives_nothing_back) {
  NodeBench bench;
  bench.make_member();
  bench.answer = false;
  attack(bench);
  bench.settle();
  bench.install(bench.operational(2));
  cr_assert_eq(*bench.last_answer(), protocol::ControlStatus::busy);
  cr_assert_eq(bench.state(), NodeState::quarantined);
  cr_assert_not(bench.keys.has_keys_of(kOperationalAsr));
  bench.answer = true;
  bench.pass(std::chrono::seconds(90));
  bench.install(bench.operational(3));
  cr_assert_eq(bench.state(), NodeState::active, "after the answer the NMM knows what it does");
}

Test(node_breach, many_records_are_one_case) {
  NodeBench bench;
  bench.make_member();
  bench.asked.clear();
  for (int i = 0; i < 20; ++i) attack(bench);
  bench.pass(std::chrono::seconds(5));
  cr_assert_eq(bench.count(Method::breach_report), 1);
  cr_assert_eq(bench.node->status().counters.at("detections_critical"), 20);
}

Test(node_breach, evidence_is_reported_and_costs_no_key) {
  NodeBench bench;
  bench.make_member();
  bench.asked.clear();
  attack(bench, 12345);
  bench.settle();
  cr_assert_eq(bench.state(), NodeState::active);
  cr_assert(bench.keys.has_keys_of(kOperationalAsr));
  cr_assert_eq(bench.count(Method::breach_report), 1);
  cr_assert(bench.event("evidence-detected") != nullptr);
}

Test(node_breach, mode_observe_only_says_what_it_would_do) {
  NodeBench bench;
  bench.settings.responses.of(policy::DetectionClass::key_access).mode = policy::Mode::observe;
  bench.start();
  bench.make_member();
  bench.asked.clear();
  attack(bench);
  bench.settle();
  cr_assert_eq(bench.state(), NodeState::active);
  cr_assert_eq(bench.count(Method::breach_report), 0);
  cr_assert_neq(bench.event("breach-detected")->fields.at("not_done").find("revoke-local"),
                std::string::npos);
}

Test(node_breach, a_key_store_that_fails_does_not_stop_the_rest) {
  NodeBench bench;
  bench.make_member();
  bench.keys.fail_revokes = true;
  attack(bench);
  bench.settle();
  cr_assert_eq(bench.state(), NodeState::quarantined);
  cr_assert_eq(bench.node->asrs().size(), 1);
  cr_assert_not(bench.node->status().findings.empty());
  cr_assert(bench.event("breach-reported") != nullptr);
}

Test(node_breach, a_disk_that_fails_does_not_stop_the_rest) {
  NodeBench bench;
  bench.make_member();
  bench.store.fail_writes = true;
  bench.store.fail_removes = true;
  attack(bench);
  cr_assert_eq(bench.state(), NodeState::quarantined);
  cr_assert_not(bench.keys.has_keys_of(kOperationalAsr));
}

Test(node_breach, forged_frames_cost_nobody_anything) {
  NodeBench bench;
  bench.make_member();
  bench.asked.clear();
  policy::Detection forged;
  forged.detection = policy::DetectionClass::forged_frames;
  bench.node->sentry().judge(forged);
  std::vector<std::uint8_t> garbage(100, 0x11);
  for (int i = 0; i < 1000; ++i) bench.node->shell()->receive(garbage, {});
  bench.settle();
  cr_assert_eq(bench.state(), NodeState::active);
  cr_assert(bench.keys.has_keys_of(kOperationalAsr));
  cr_assert_eq(bench.count(Method::breach_report), 0);
}

Test(node_breach, another_members_contradiction_is_reported_and_our_keys_stay) {
  NodeBench bench;
  bench.make_member();
  bench.asked.clear();
  bench.asked_bodies.clear();
  bench.node->sentry().judge(node::detection_of({.what = protocol::Contradiction::cloned_identity,
                                                 .asr_id = kOperationalAsr,
                                                 .member = 1,
                                                 .node_id = 0xa002,
                                                 .from = *parse_endpoint("10.0.0.9:7400"),
                                                 .expected = parse_endpoint("10.0.0.2:7400").value()},
                                                Instant{1}));
  bench.settle();
  cr_assert_eq(bench.state(), NodeState::active);
  cr_assert(bench.keys.has_keys_of(kOperationalAsr));
  cr_assert_eq(bench.count(Method::breach_report), 1);
  const auto report = protocol::BreachReport::decode(bench.asked_bodies.at(0));
  cr_assert_eq(report->subject.at("node_id"), "000000000000a002");
  cr_assert_eq(report->evidence.at("from"), "10.0.0.9:7400");
  cr_assert_eq(report->evidence.at("expected_at"), "10.0.0.2:7400");
}

Test(node_breach, an_unprovisioned_node_only_says_it) {
  NodeBench bench;
  attack(bench);
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
  cr_assert(bench.event("breach-detected") != nullptr);
}
