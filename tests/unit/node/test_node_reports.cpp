#include <criterion/criterion.h>

#include "tests/support/node_bench.h"

using namespace akm;
using namespace akm::test;
using protocol::Method;

Test(node_reports, a_new_generation_has_its_event_with_the_check_value) {
  NodeBench bench;
  bench.make_member();
  const EventRecord* switched = bench.event("generation-switched");
  cr_assert(switched != nullptr);
  cr_assert_eq(switched->asr_id, kOperationalAsr);
  cr_assert_eq(switched->fields.at("generation"), "1");
  cr_assert_eq(switched->fields.at("key_check"), bench.node->asrs().at(1).key_check);
}

Test(node_reports, a_group_that_does_not_agree_asks_for_a_new_generation_now_and_then) {
  NodeBench bench;
  bench.make_member();  // the other member of the relationship does not exist
  bench.asked.clear();
  cr_assert(bench.node->shell() != nullptr);
  bench.node->rekey(kOperationalAsr, [](const Status&) {});
  bench.pass(std::chrono::minutes(5));
  cr_assert(bench.event("attempt-failed") != nullptr);
  cr_assert_geq(bench.count(Method::resync), 1);
  cr_assert_leq(bench.count(Method::resync), 6, "at most one in resync_min_interval_s");
}

Test(node_reports, a_key_store_that_fails_is_a_finding_that_goes) {
  NodeBench bench;
  bench.make_active();
  bench.keys.fail_puts = true;
  bench.install(bench.operational());
  cr_assert_eq(bench.node->status().findings.size(), 1);
  cr_assert_eq(*bench.last_answer(), protocol::ControlStatus::ok, "the session goes on");
  cr_assert_gt(bench.node->status().counters.at("key_failures"), 0);
  bench.keys.fail_puts = false;
  bench.install(bench.operational(2));
  cr_assert(bench.node->status().findings.empty());
}

Test(node_reports, a_disk_that_fails_is_said_once) {
  NodeBench bench;
  bench.make_active();
  bench.store.fail_writes_of = "asr-0000000000006001";
  bench.install(bench.operational());
  bench.install(bench.operational());
  std::size_t said = 0;
  for (const EventRecord& one : bench.events.history())
    if (one.name == "effect-failed") ++said;
  cr_assert_eq(said, 1);
  cr_assert_eq(bench.node->status().counters.at("store_failures"), 2);
}

Test(node_reports, the_group_of_a_multicast_relationship_is_joined_once) {
  NodeBench bench;
  bench.make_active();
  auto request = bench.operational();
  request.asr.description.policy.topology = protocol::Topology::multicast;
  request.asr.description.policy.multicast_group = "239.192.0.1:7400";
  bench.install(request);
  auto next = bench.operational(2);
  next.asr.description.policy = request.asr.description.policy;
  next.immediate = true;
  bench.install(next);
  cr_assert_eq(bench.groups.size(), 1U);
  cr_assert(bench.groups[0] == *parse_endpoint("239.192.0.1:7400"));
}

Test(node_reports, an_nmm_that_is_not_reached_on_any_chain_is_a_finding_that_says_what_to_do) {
  NodeBench bench;
  bench.make_member();
  const auto told = [&] {
    return std::ranges::any_of(bench.node->status().findings, [](const std::string& one) {
      return one.contains("older copy") && one.contains("akmctl node zeroize");
    });
  };
  bench.drop_all = true;
  bench.node->rekey(kProvisioningAsr, [](const Status&) {});
  bench.pass(std::chrono::minutes(3));
  cr_assert(told());
  bench.drop_all = false;
  bench.pass(std::chrono::minutes(15));
  cr_assert_not(told(), "a heartbeat was answered");
}
