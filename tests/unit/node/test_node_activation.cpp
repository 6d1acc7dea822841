#include <criterion/criterion.h>

#include "tests/support/node_bench.h"

using namespace akm;
using namespace akm::test;
using node::NodeState;
using protocol::Method;

Test(node_activation, a_provisioned_node_activates_by_itself) {
  NodeBench bench;
  cr_assert(bench.provision().has_value());
  cr_assert_eq(bench.state(), NodeState::provisioned);
  bench.pass(std::chrono::seconds(1));
  cr_assert_eq(bench.state(), NodeState::active);
  cr_assert_eq(bench.count(Method::activate), 1);
  const auto asked = protocol::ActivateRequest::decode(bench.asked_bodies.at(0));
  cr_assert(asked->hardware_value == *bench.hardware.value());
  cr_assert(bench.event("activated") != nullptr);
}

Test(node_activation, where_it_is_not_automatic_a_person_does_it) {
  NodeBench bench;
  bench.settings.activate_automatically = false;
  cr_assert(bench.provision().has_value());
  bench.pass(std::chrono::seconds(60));
  cr_assert_eq(bench.state(), NodeState::provisioned);
  std::optional<Status> outcome;
  bench.node->activate([&](const Status& status) { outcome = status; });
  bench.settle();
  cr_assert(outcome.has_value() && outcome->has_value());
  cr_assert_eq(bench.state(), NodeState::active);
  outcome.reset();
  bench.node->activate([&](const Status& status) { outcome = status; });
  cr_assert(outcome->has_value(), "an active node is active");
}

Test(node_activation, a_silent_nmm_is_asked_again_and_again) {
  NodeBench bench;
  bench.drop_all = true;
  cr_assert(bench.provision().has_value());
  std::optional<Status> outcome;
  bench.node->activate([&](const Status& status) { outcome = status; });
  cr_assert_eq(bench.state(), NodeState::activating);
  bench.pass(std::chrono::seconds(31));
  cr_assert_eq(outcome->error().code, Errc::timed_out);
  bench.drop_all = false;
  bench.pass(std::chrono::seconds(60));
  cr_assert_eq(bench.state(), NodeState::active);
}

Test(node_activation, a_refusal_is_told_and_tried_again_later) {
  NodeBench bench;
  bench.answer_status = protocol::ControlStatus::hardware_mismatch;
  cr_assert(bench.provision().has_value());
  std::optional<Status> outcome;
  bench.node->activate([&](const Status& status) { outcome = status; });
  bench.settle();
  cr_assert_eq(outcome->error().code, Errc::hardware_mismatch);
  cr_assert_eq(bench.state(), NodeState::provisioned);
  bench.answer_status = protocol::ControlStatus::ok;
  bench.pass(std::chrono::minutes(5));
  cr_assert_eq(bench.state(), NodeState::active);
}

Test(node_activation, a_node_that_cannot_store_it_is_not_active) {
  NodeBench bench;
  cr_assert(bench.provision().has_value());
  bench.store.fail_writes_of = "node";
  bench.pass(std::chrono::seconds(2));
  cr_assert_neq(bench.state(), NodeState::active);
  bench.store.fail_writes_of.reset();
  bench.pass(std::chrono::minutes(5));
  cr_assert_eq(bench.state(), NodeState::active);
}

Test(node_activation, heartbeats_tell_the_nmm_what_there_is) {
  NodeBench bench;
  bench.make_member();
  bench.asked.clear();
  bench.asked_bodies.clear();
  bench.pass(std::chrono::seconds(61));
  cr_assert_geq(bench.count(Method::heartbeat), 2);
  cr_assert_leq(bench.count(Method::heartbeat), 4);
  const auto beat = protocol::Heartbeat::decode(bench.asked_bodies.back());
  cr_assert(beat.has_value());
  cr_assert_eq(beat->asrs.size(), 1, "the provisioning relationship is not told");
  cr_assert_eq(beat->asrs[0].asr_id, kOperationalAsr);
  cr_assert_eq(beat->tier, "tracepoint");
  cr_assert_gt(beat->uptime_s, 0);
}

Test(node_activation, an_nmm_that_is_away_is_a_finding_that_goes) {
  NodeBench bench;
  bench.make_active();
  bench.drop_all = true;
  bench.pass(std::chrono::minutes(3));
  cr_assert_eq(bench.node->status().findings.size(), 1);
  bench.drop_all = false;
  bench.pass(std::chrono::minutes(2));
  cr_assert(bench.node->status().findings.empty());
}

Test(node_activation, an_nmm_that_forgot_the_node_is_asked_anew) {
  NodeBench bench;
  bench.make_active();
  bench.answer_status = protocol::ControlStatus::not_activated;
  bench.pass(std::chrono::seconds(31));
  cr_assert_neq(bench.state(), NodeState::active);
  bench.answer_status = protocol::ControlStatus::ok;
  bench.pass(std::chrono::minutes(5));
  cr_assert_eq(bench.state(), NodeState::active);
}
