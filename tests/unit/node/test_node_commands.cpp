#include <criterion/criterion.h>

#include "tests/support/node_bench.h"

using namespace akm;
using namespace akm::test;
using node::NodeState;
using protocol::ControlStatus;
using protocol::Method;

namespace {

void ask_empty(NodeBench& bench, Method method) {
  bench.ask(method, protocol::empty_body());
}

}  // namespace

Test(node_commands, nothing_is_accepted_before_activation) {
  NodeBench bench;
  bench.settings.activate_automatically = false;
  cr_assert(bench.provision().has_value());
  // The node speaks first, so that the NMM knows where it is; here the NMM is told.
  bench.answer_status = ControlStatus::busy;
  bench.node->activate([](const Status&) {});
  bench.settle();
  bench.install(bench.operational());
  cr_assert_eq(*bench.last_answer(), ControlStatus::not_activated);
  bench.ask(Method::retire, protocol::RetireRequest{kOperationalAsr}.encode());
  cr_assert_eq(*bench.last_answer(), ControlStatus::not_activated);
  cr_assert_eq(bench.node->asrs().size(), 1);
}

Test(node_commands, an_install_is_stored_and_its_keys_are_guarded) {
  NodeBench bench;
  bench.make_active();
  bench.install(bench.operational());
  cr_assert_eq(*bench.last_answer(), ControlStatus::ok);
  cr_assert(bench.keys.has_keys_of(kOperationalAsr));
  cr_assert_eq(bench.probes.guarded.size(), bench.keys.keys.size());
  cr_assert(bench.event("generation-switched") != nullptr);
  cr_assert_eq(bench.event("generation-installed")->asr_id, kOperationalAsr);
}

Test(node_commands, an_install_that_does_not_fit_is_refused) {
  NodeBench bench;
  bench.make_active();
  auto not_me = bench.operational();
  not_me.index = 1;
  bench.install(not_me);
  cr_assert_eq(*bench.last_answer(), ControlStatus::malformed);
  auto takeover = bench.operational();
  takeover.asr.description.id = kProvisioningAsr;
  bench.install(takeover);
  cr_assert_eq(*bench.last_answer(), ControlStatus::refused_by_policy);
  auto other_nmm = protocol::InstallRequest{bench.provisioning_asr(), 1, true, 0};
  other_nmm.asr.description.id = 0x7777;
  bench.install(other_nmm);
  cr_assert_eq(*bench.last_answer(), ControlStatus::refused_by_policy);
  bench.ask(Method::install, {0xff, 0x00});
  cr_assert_eq(*bench.last_answer(), ControlStatus::malformed);
  cr_assert_eq(bench.node->asrs().size(), 1);
}

Test(node_commands, a_disk_that_refuses_is_told_to_the_nmm) {
  NodeBench bench;
  bench.make_active();
  bench.store.fail_writes_of = "asr-0000000000006001";
  bench.install(bench.operational());
  cr_assert_eq(*bench.last_answer(), ControlStatus::storage_failed);
  cr_assert_not(bench.keys.has_keys_of(kOperationalAsr));
}

Test(node_commands, a_generation_that_waits_is_switched_to) {
  NodeBench bench;
  bench.make_member();
  bench.install(bench.operational(2, false));
  cr_assert_eq(*bench.last_answer(), ControlStatus::ok);
  cr_assert_eq(bench.node->asrs().at(1).generation, 1);
  bench.ask(Method::switch_generation, protocol::SwitchRequest{kOperationalAsr, 2}.encode());
  cr_assert_eq(*bench.last_answer(), ControlStatus::ok);
  cr_assert_eq(bench.node->asrs().at(1).generation, 2);
  bench.install(bench.operational(1));
  cr_assert_eq(*bench.last_answer(), ControlStatus::stale_generation);
  bench.ask(Method::switch_generation, protocol::SwitchRequest{0x99, 2}.encode());
  cr_assert_eq(*bench.last_answer(), ControlStatus::unknown_asr);
}

Test(node_commands, retire_erases_and_may_come_twice) {
  NodeBench bench;
  bench.make_member();
  for (int i = 0; i < 2; ++i) {
    bench.ask(Method::retire, protocol::RetireRequest{kOperationalAsr}.encode());
    cr_assert_eq(*bench.last_answer(), ControlStatus::ok);
    cr_assert_not(bench.keys.has_keys_of(kOperationalAsr));
  }
  cr_assert_eq(bench.node->asrs().size(), 1);
  cr_assert(bench.event("asr-retired") != nullptr);
}

Test(node_commands, quarantine_keeps_only_the_line_to_the_nmm_also_after_a_restart) {
  NodeBench bench;
  bench.make_member();
  ask_empty(bench, Method::quarantine);
  cr_assert_eq(*bench.last_answer(), ControlStatus::ok);
  cr_assert_eq(bench.state(), NodeState::quarantined);
  cr_assert_not(bench.keys.has_keys_of(kOperationalAsr));
  cr_assert_eq(bench.node->asrs().size(), 1);
  bench.start();
  cr_assert_eq(bench.state(), NodeState::quarantined);
  std::optional<Status> outcome;
  bench.node->activate([&](const Status& status) { outcome = status; });
  cr_assert_eq(outcome->error().code, Errc::wrong_state, "a node does not let itself out");
}

Test(node_commands, an_install_takes_a_quarantined_node_back) {
  NodeBench bench;
  bench.make_member();
  ask_empty(bench, Method::quarantine);
  bench.install(bench.operational(2));
  cr_assert_eq(*bench.last_answer(), ControlStatus::ok);
  cr_assert_eq(bench.state(), NodeState::active);
  cr_assert(bench.event("readmitted") != nullptr);
  bench.start();
  cr_assert_eq(bench.state(), NodeState::active);
}

Test(node_commands, zeroize_and_retiring_the_provisioning_relationship_erase_everything) {
  for (const bool retire : {false, true}) {
    NodeBench bench;
    bench.make_member();
    if (retire) {
      bench.ask(Method::retire, protocol::RetireRequest{kProvisioningAsr}.encode());
    } else {
      ask_empty(bench, Method::zeroize);
    }
    cr_assert_eq(*bench.last_answer(), ControlStatus::ok, "the answer goes before the keys");
    cr_assert_eq(bench.state(), NodeState::unprovisioned);
    cr_assert(bench.node->asrs().empty());
    cr_assert(bench.keys.keys.empty());
  }
}

Test(node_commands, a_receipt_that_names_what_failed_is_an_answer) {
  NodeBench bench;
  bench.make_member();
  bench.store.fail_removes = true;
  ask_empty(bench, Method::zeroize);
  cr_assert_eq(*bench.last_answer(), ControlStatus::ok,
               "refused, it would be asked for ever of who has no keys");
  cr_assert(bench.event("zeroize-failed") != nullptr);
}

Test(node_commands, a_policy_of_the_node_is_stored) {
  NodeBench bench;
  bench.make_active();
  protocol::PolicyUpdate update;
  update.policy.heartbeat_interval_s = 5;
  bench.ask(Method::policy, update.encode());
  cr_assert_eq(*bench.last_answer(), ControlStatus::ok);
  bench.start();
  bench.asked.clear();
  bench.pass(std::chrono::seconds(21));
  cr_assert_geq(bench.count(Method::heartbeat), 4);
}

Test(node_commands, a_policy_of_one_relationship_is_durable_before_it_is_answered) {
  NodeBench bench;
  bench.make_member();
  protocol::PolicyUpdate update;
  update.asr_id = kOperationalAsr;
  update.policy.rekey_interval_s = 77;
  bench.store.fail_writes_of = "asr-0000000000006001";
  bench.ask(Method::policy, update.encode());
  cr_assert_eq(*bench.last_answer(), ControlStatus::storage_failed);
  cr_assert_eq(bench.node->asrs().at(1).policy.at("rekey_interval_s"), "3600");
  bench.store.fail_writes_of.reset();
  bench.ask(Method::policy, update.encode());
  cr_assert_eq(*bench.last_answer(), ControlStatus::ok);
  cr_assert(bench.event("policy-set") != nullptr);
  bench.start();
  cr_assert_eq(bench.node->asrs().at(1).policy.at("rekey_interval_s"), "77");
}

Test(node_commands, a_policy_that_was_held_back_is_not_followed) {
  NodeBench bench;
  bench.make_member();
  protocol::PolicyUpdate update;
  update.asr_id = kOperationalAsr;
  update.policy.rekey_interval_s = 77;
  bench.drop_all = true;
  bench.ask(Method::policy, update.encode());
  bench.drop_all = false;
  update.policy.rekey_interval_s = 88;
  bench.ask(Method::policy, update.encode());
  cr_assert_eq(*bench.last_answer(), ControlStatus::ok);
  bench.pass(std::chrono::seconds(1));
  cr_assert_eq(*bench.last_answer(), ControlStatus::busy, "the first one comes now");
  cr_assert_eq(bench.node->asrs().at(1).policy.at("rekey_interval_s"), "88");
}

Test(node_commands, a_retirement_or_quarantine_that_was_held_back_is_not_followed) {
  for (const Method method : {Method::retire, Method::quarantine}) {
    NodeBench bench;
    bench.make_member();
    bench.drop_all = true;
    bench.ask(method, method == Method::retire ? protocol::RetireRequest{kOperationalAsr}.encode()
                                               : protocol::empty_body());
    bench.drop_all = false;
    protocol::PolicyUpdate later;
    later.asr_id = kOperationalAsr;
    bench.ask(Method::policy, later.encode());
    bench.pass(std::chrono::seconds(1));
    cr_assert_eq(*bench.last_answer(), ControlStatus::busy);
    cr_assert_eq(bench.node->asrs().size(), 2U);
    bench.ask(method, method == Method::retire ? protocol::RetireRequest{kOperationalAsr}.encode()
                                               : protocol::empty_body());
    cr_assert_eq(*bench.last_answer(), ControlStatus::ok, "asked anew");
  }
}

Test(node_commands, a_group_of_a_new_policy_is_joined) {
  NodeBench bench;
  bench.make_member();
  protocol::PolicyUpdate update;
  update.asr_id = kOperationalAsr;
  update.policy.topology = protocol::Topology::multicast;
  update.policy.multicast_group = "239.192.0.1:7400";
  bench.ask(Method::policy, update.encode());
  cr_assert_eq(*bench.last_answer(), ControlStatus::ok);
  cr_assert_eq(bench.groups.size(), 1U);
}

Test(node_commands, a_policy_that_does_not_fit_is_refused) {
  NodeBench bench;
  bench.make_member();
  protocol::PolicyUpdate update;
  update.asr_id = 0x9999;
  bench.ask(Method::policy, update.encode());
  cr_assert_eq(*bench.last_answer(), ControlStatus::unknown_asr);
  update.asr_id = kProvisioningAsr;
  bench.ask(Method::policy, update.encode());
  cr_assert_eq(*bench.last_answer(), ControlStatus::refused_by_policy);
  update.asr_id = kOperationalAsr;
  update.policy.rekey_interval_s = 0;
  bench.ask(Method::policy, update.encode());
  cr_assert_eq(*bench.last_answer(), ControlStatus::malformed);
  update.policy = {};
  update.policy.topology = protocol::Topology::multicast;  // without a group
  for (const protocol::AsrId asr_id : {protocol::AsrId{0}, kOperationalAsr}) {
    update.asr_id = asr_id;
    bench.ask(Method::policy, update.encode());
    cr_assert_eq(*bench.last_answer(), ControlStatus::malformed);
  }
  cr_assert_eq(bench.node->asrs().at(1).policy.at("topology"), "auto");
}

Test(node_commands, the_provisioning_relationship_is_rekeyed_on_request) {
  NodeBench bench;
  bench.make_active();
  const std::uint32_t epoch = bench.node->asrs().at(0).epoch;
  ask_empty(bench, Method::rotate_provisioning);
  cr_assert_eq(*bench.last_answer(), ControlStatus::ok);
  bench.pass(std::chrono::seconds(5));
  cr_assert_eq(bench.node->asrs().at(0).epoch, epoch + 1);
}

Test(node_commands, re_provisioning_is_an_install_of_the_same_relationship) {
  NodeBench bench;
  bench.make_active();
  ++bench.identity.serial;
  bench.install({bench.provisioning_asr(), 1, false, 0});
  cr_assert_eq(*bench.last_answer(), ControlStatus::ok);
  bench.start();
  cr_assert_eq(bench.state(), NodeState::active);
}

Test(node_commands, what_is_not_there_yet_is_not_supported) {
  NodeBench bench;
  bench.make_active();
  for (const Method method : {Method::activate, Method::heartbeat, Method::breach_report, Method::resync}) {
    ask_empty(bench, method);
    cr_assert_eq(*bench.last_answer(), ControlStatus::not_supported);
  }
}
