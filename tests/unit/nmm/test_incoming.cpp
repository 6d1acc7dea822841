#include "daemon/nmm/incoming.h"

#include <criterion/criterion.h>

#include <chrono>

#include "tests/unit/nmm/nmm_net.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TestSuite(incoming, .init = quiet);

namespace {

/// A heartbeat by which a member says that it holds this generation.
void claim(NmmNet& net, std::size_t member, protocol::AsrId asr, std::uint32_t generation) {
  protocol::Heartbeat beat;
  beat.asrs.push_back({asr, generation, 1, 0});
  net.nodes[member]->send(protocol::Method::heartbeat, beat.encode());
  net.run(seconds(2));
}

}  // namespace

Test(incoming, a_window_that_was_opened_at_a_node_is_told_and_shown) {
  NmmNet net(3);
  net.activate_all();
  (void)net.create(3);
  const auto beat = [&](std::uint32_t left) {
    protocol::Heartbeat one;
    one.maintenance_s = left;
    one.maintenance_why = left == 0 ? "" : "field service";
    net.nodes[1]->send(protocol::Method::heartbeat, one.encode());
    net.run(std::chrono::milliseconds(100));
  };
  const auto told = [&](std::string_view name) {
    return std::ranges::count(net.events->history(), name, &EventRecord::name);
  };
  beat(0);
  cr_assert_eq(told("node-maintenance") + told("node-maintenance-ended"), 0);
  beat(600);
  beat(600);
  cr_assert_eq(told("node-maintenance"), 1, "said once");
  cr_assert_eq(net.event("node-maintenance")->fields.at("allowed"), "yes");
  cr_assert_eq(net.event("node-maintenance")->fields.at("why"), "field service");
  const auto windows = net.nmm->policy_port().maintenance();
  cr_assert_eq(windows.size(), 1);
  cr_assert_eq(windows[0].scope, "at-node:" + hex_id(net.nodes[1]->node_id));
  const auto findings = net.nmm->status().findings;
  cr_assert(std::ranges::any_of(findings, [](const std::string& one) {
    return one.contains("A maintenance window was opened at n1");
  }));
  // It excuses nothing here, and a breach's record says that it was open.
  net.nodes[1]->report_breach("key-access", 2);
  net.run(std::chrono::seconds(1));
  cr_assert_eq(net.event("breach-reported")->fields.at("maintenance"), "field service");
  cr_assert_eq(net.state_of("n1"), "quarantined");
  net.run(std::chrono::seconds(10));
  beat(0);
  cr_assert_eq(told("node-maintenance-ended"), 1);
  cr_assert(net.nmm->policy_port().maintenance().empty());
  cr_assert(net.nmm->policy_port().set_policy_text("domain", "[maintenance]\nat_node = false\n").has_value());
  for (int i = 0; i < 20; ++i) beat(i % 2 == 0 ? 60 : 0);
  cr_assert_eq(told("node-maintenance"), 1, "who opens and closes them all the time fills no log");
  net.run(std::chrono::seconds(10));
  beat(60);
  cr_assert_eq(told("node-maintenance"), 2);
  cr_assert_eq(net.event("node-maintenance")->fields.at("allowed"), "no");
}

Test(incoming, a_stray_relationship_is_retired) {
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

Test(incoming, another_machine_is_not_activated) {
  NmmNet net(1);
  FakeNode& node = *net.nodes[0];
  node.provision(*net.prepare(node, true));
  const auto right = node.hardware;
  node.hardware.fill(0xee);
  node.activate();
  net.run(seconds(1));
  cr_assert(node.last_response->status == protocol::ControlStatus::hardware_mismatch);
  cr_assert_eq(net.nmm->nodes().at(0).state, "prepared");
  cr_assert_not_null(net.event("activation-refused"));
  node.hardware = right;
  node.activate();
  net.run(seconds(1));
  cr_assert_eq(net.nmm->nodes().at(0).state, "active");
}

Test(incoming, nothing_but_activation_is_taken_before_it) {
  NmmNet net(2);
  FakeNode& node = *net.nodes[0];
  node.provision(*net.prepare(node, true));
  node.heartbeat();
  net.run(seconds(1));
  cr_assert(node.last_response->status == protocol::ControlStatus::not_activated);
  node.report_breach("key-access", 2);
  net.run(seconds(1));
  cr_assert(node.last_response->status == protocol::ControlStatus::not_activated);
  cr_assert_null(net.event("breach-reported"));
  node.send(protocol::Method::resync, protocol::ResyncRequest{1, 1}.encode());
  net.run(seconds(1));
  cr_assert(node.last_response->status == protocol::ControlStatus::not_activated);
}

Test(incoming, an_expired_bundle_activates_nobody) {
  NmmSettings settings;
  settings.bundle_expiry_s = 3600;
  NmmNet net(1, settings);
  FakeNode& node = *net.nodes[0];
  node.provision(*net.prepare(node, true));
  net.run(minutes(61));
  node.activate();
  net.run(seconds(1));
  cr_assert(node.last_response->status == protocol::ControlStatus::refused_by_policy);
  node.provision(*net.prepare(node, true));  // the next serial
  node.activate();
  net.run(seconds(1));
  cr_assert(node.last_response->status == protocol::ControlStatus::ok);
  cr_assert_eq(net.nmm->nodes().at(0).serial, 2U);
  net.run(minutes(120));
  node.activate();  // once more, after its time: it is active, so nothing expires
  net.run(seconds(1));
  cr_assert(node.last_response->status == protocol::ControlStatus::ok);
}

Test(incoming, a_quarantined_node_does_not_activate_itself) {
  NmmNet net(3);
  net.activate_all();
  cr_assert_neq(net.create(3), 0U);
  net.nodes[0]->report_breach("key-access", 2);
  net.run(seconds(1));
  net.nodes[0]->activate();
  net.run(seconds(1));
  cr_assert(net.nodes[0]->last_response->status == protocol::ControlStatus::refused_by_policy);
  cr_assert_eq(net.nmm->nodes().at(0).state, "quarantined");
}

Test(incoming, a_node_without_known_hardware_is_bound_when_it_activates) {
  NmmNet net(2);
  FakeNode& node = *net.nodes[0];
  node.provision(*net.prepare(node, false), false);
  node.activate();
  net.run(seconds(2));
  cr_assert_eq(net.nmm->nodes().at(0).state, "active");
  cr_assert_eq(net.nmm->nodes().at(0).serial, 2U);
  cr_assert_eq(node.generation(node.provisioning), 2U, "the serial that is bound to its hardware");
  node.heartbeat();
  net.run(seconds(2));
  cr_assert(node.last_response->status == protocol::ControlStatus::ok);
  node.hardware.fill(0xee);  // its disk in another machine
  node.activate();
  net.run(seconds(1));
  cr_assert(node.last_response->status == protocol::ControlStatus::hardware_mismatch);
}

Test(incoming, a_binding_that_got_lost_is_sent_again) {
  NmmNet net(1);
  FakeNode& node = *net.nodes[0];
  node.provision(*net.prepare(node, false), false);
  node.refusing = true;
  node.activate();
  net.run(seconds(2));
  cr_assert_eq(node.generation(node.provisioning), 1U);
  node.refusing = false;
  net.restart_nmm();
  node.heartbeat();
  net.run(seconds(3));
  cr_assert_eq(node.generation(node.provisioning), 2U);
}

Test(incoming, a_used_failsafe_chain_is_replaced_by_a_new_serial) {
  NmmNet net(1);
  net.activate_all();
  FakeNode& node = *net.nodes[0];
  const auto at_nmm = [&] { return *net.shell->engine().view(node.provisioning); };
  node.down = true;
  for (int s = 0; s < 7200 && at_nmm().chain != protocol::Chain::failsafe; ++s) net.run(seconds(1));
  cr_assert_eq(at_nmm().chain, protocol::Chain::failsafe);
  node.down = false;  // in the very seconds in which the NMM tries its last chain
  net.run(seconds(10));
  cr_assert(at_nmm().failsafe_spent);
  cr_assert(node.view(node.provisioning)->failsafe_spent);
  cr_assert(std::ranges::none_of(net.nmm->status().findings,
                                 [](const std::string& one) { return one.contains("Not reached"); }),
            "it has just been reached");
  node.heartbeat();
  net.run(seconds(3));
  node.heartbeat();
  net.run(seconds(3));
  cr_assert_eq(net.nmm->nodes().at(0).serial, 2U);
  cr_assert_eq(at_nmm().description.generation, 2U);
  cr_assert_not(at_nmm().failsafe_spent);
  cr_assert_not(node.view(node.provisioning)->failsafe_spent);
  node.heartbeat();
  net.run(seconds(3));
  cr_assert_eq(net.nmm->nodes().at(0).serial, 2U, "once is enough");
}

Test(incoming, binding_at_activation_can_be_forbidden) {
  NmmSettings settings;
  settings.bind_at_activation = false;
  NmmNet net(1, settings);
  cr_assert(net.prepare(*net.nodes[0], false).error().code == Errc::refused_by_policy);
}

Test(incoming, a_member_out_of_chains_gets_a_new_generation_but_not_too_often) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  const auto body = protocol::ResyncRequest{asr, 1}.encode();
  net.nodes[0]->send(protocol::Method::resync, body);
  net.run(seconds(2));
  cr_assert(net.agreed(asr, 2, {0, 1, 2}));
  net.nodes[1]->send(protocol::Method::resync, protocol::ResyncRequest{asr, 2}.encode());
  net.run(seconds(2));
  cr_assert(net.nodes[1]->last_response->status == protocol::ControlStatus::busy);
  cr_assert(net.agreed(asr, 2, {0, 1, 2}));
  net.run(minutes(2));
  net.nodes[1]->send(protocol::Method::resync, protocol::ResyncRequest{asr, 2}.encode());
  net.run(seconds(2));
  cr_assert(net.agreed(asr, 3, {0, 1, 2}));
}

Test(incoming, resync_of_what_is_not_its_own_is_unknown) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(2);
  net.nodes[2]->send(protocol::Method::resync, protocol::ResyncRequest{asr, 1}.encode());
  net.run(seconds(1));
  cr_assert(net.nodes[2]->last_response->status == protocol::ControlStatus::unknown_asr);
  cr_assert(net.agreed(asr, 1, {0, 1}));
}

Test(incoming, what_only_an_nmm_says_is_not_supported) {
  NmmNet net(1);
  net.activate_all();
  for (const auto method :
       {protocol::Method::retire, protocol::Method::quarantine, protocol::Method::zeroize}) {
    net.nodes[0]->send(method, protocol::empty_body());
    net.run(seconds(1));
    cr_assert(net.nodes[0]->last_response->status == protocol::ControlStatus::not_supported);
  }
}

Test(incoming, garbage_under_the_right_key_is_malformed) {
  NmmNet net(1);
  net.activate_all();
  using protocol::Method;
  for (const auto method : {Method::activate, Method::heartbeat, Method::breach_report, Method::resync}) {
    net.nodes[0]->send(method, {0xff, 0x00, 0x61});
    net.run(seconds(1));
    cr_assert(net.nodes[0]->last_response->status == protocol::ControlStatus::malformed);
  }
  cr_assert_eq(net.nmm->nodes().at(0).state, "active");
}

Test(incoming, one_old_heartbeat_changes_nothing_a_second_does) {
  NmmNet net(2);
  net.activate_all();
  const auto asr = net.create(2);
  protocol::Heartbeat beat;  // it lists no relationship
  net.nodes[0]->send(protocol::Method::heartbeat, beat.encode());
  net.run(seconds(2));
  cr_assert(net.agreed(asr, 1, {0, 1}));
  net.nodes[0]->send(protocol::Method::heartbeat, beat.encode());
  net.run(seconds(2));
  cr_assert(net.agreed(asr, 2, {0, 1}));
}

Test(incoming, a_member_ahead_of_nmm_and_others_is_led_together_with_them) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  claim(net, 1, asr, 1);
  claim(net, 2, asr, 1);
  claim(net, 0, asr, 1'000'000);
  claim(net, 0, asr, 1'000'000);
  cr_assert_not_null(net.event("generation-ahead"));
  cr_assert(net.agreed(asr, 1, {0, 1, 2}), "one far ahead is not believed");
  claim(net, 0, asr, 5);
  cr_assert(net.agreed(asr, 6, {0, 1, 2}));
}

/// It was put out after the records were copied that this NMM was restored from.
Test(incoming, one_that_was_put_out_does_not_make_an_older_copy_issue_to_it) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.restart_nmm();
  claim(net, 2, asr, 1);
  claim(net, 0, asr, 5);
  claim(net, 1, asr, 5);
  net.run(seconds(120));
  cr_assert_eq(net.nodes[2]->generation(asr), 1U, "it has keys again");
  cr_assert_eq(net.nmm->asrs().at(0).generation, 1U);
}

Test(incoming, records_older_than_what_the_members_hold_are_told_and_issue_nothing_by_themselves) {
  NmmNet net(2);
  net.activate_all();
  const auto asr = net.create(2);
  for (const std::size_t member : {0U, 1U, 0U, 1U}) claim(net, member, asr, 5);
  const auto* event = net.event("generation-ahead");
  cr_assert_not_null(event);
  cr_assert_eq(event->severity, 3);
  const auto findings = net.nmm->status().findings;
  const auto told = std::ranges::find_if(findings, [](const std::string& one) {
    return one.contains("hold generation 5") && one.contains("akmctl asr rekey");
  });
  cr_assert(told != findings.end());
  net.nodes[1]->send(protocol::Method::resync, protocol::ResyncRequest{asr, 5}.encode());
  net.run(seconds(2));
  cr_assert(net.nodes[1]->last_response->status == protocol::ControlStatus::busy);
  cr_assert(net.agreed(asr, 1, {0, 1}));
  // An operator has looked.
  net.nmm->rekey(asr, [](const Status&) {});
  net.run(seconds(2));
  cr_assert(net.agreed(asr, 6, {0, 1}), "above what the members have");
  const auto after = net.nmm->status().findings;
  cr_assert(std::ranges::none_of(after, [](const std::string& one) { return one.contains("older copy"); }));
}

Test(incoming, a_relationship_without_a_record_is_told_and_left_alone) {
  NmmNet net(2);
  net.activate_all();
  const auto asr = net.create(2);
  net.store.records.erase(Registry::asr_record_name(asr));
  net.restart_nmm();
  for (const std::size_t member : {0U, 1U}) claim(net, member, asr, 1);
  net.run(minutes(1));
  cr_assert_not_null(net.event("relationship-unknown"));
  cr_assert(net.agreed(asr, 1, {0, 1}), "the group was destroyed");
  const auto told = [&] {
    return std::ranges::any_of(net.nmm->status().findings,
                               [](const std::string& one) { return one.contains("akmctl asr delete"); });
  };
  cr_assert(told());
  // An operator wants it so.
  Status done = fail(Errc::internal);
  net.nmm->delete_asr(asr, [&done](const Status& status) { done = status; });
  cr_assert(done.has_value());
  net.run(seconds(5));
  cr_assert_not(net.nodes[0]->shell->engine().view(asr).has_value());
  for (const std::size_t member : {0U, 1U}) net.nodes[member]->heartbeat();
  net.run(seconds(2));
  cr_assert_not(told());
  net.nmm->delete_asr(asr, [&done](const Status& status) { done = status; });
  cr_assert_eq(done.error().code, Errc::not_found);
}

Test(incoming, one_that_claims_many_relationships_does_not_fill_the_findings) {
  NmmNet net(1);
  net.activate_all();
  protocol::Heartbeat beat;
  for (std::size_t i = 0; i < protocol::kHeartbeatAsrs; ++i) beat.asrs.push_back({0x1000 + i, 1, 1, 0});
  net.nodes[0]->send(protocol::Method::heartbeat, beat.encode());
  net.run(seconds(2));
  const auto findings = net.nmm->status().findings;
  cr_assert_leq(findings.size(), 9U);
  cr_assert(findings.back().contains("248 more"));
}

Test(incoming, whom_an_older_copy_does_not_know_as_a_member_yet_stays_one) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(2);
  claim(net, 2, asr, 7);
  net.run(minutes(1));
  const auto* event = net.event("generation-ahead");
  cr_assert_not_null(event);
  cr_assert_eq(event->fields.at("known"), "1");
}

Test(incoming, a_claim_that_the_members_contradict_later_holds_nothing_back) {
  NmmNet net(4);
  net.activate_all();
  const auto asr = net.create(3);
  net.restart_nmm();
  const auto older_copy = [&] {
    const auto findings = net.nmm->status().findings;
    return std::ranges::any_of(findings, [](const std::string& one) { return one.contains("older copy"); });
  };
  claim(net, 3, asr, 5);  // it is no member, and nobody else was heard yet
  cr_assert(older_copy());
  claim(net, 1, asr, 1);
  cr_assert_not(older_copy());
  net.restart_nmm();
  claim(net, 0, asr, 5);
  claim(net, 1, asr, 1);
  cr_assert(older_copy(), "one against one");
  claim(net, 2, asr, 1);
  cr_assert_not(older_copy());
  net.nodes[1]->send(protocol::Method::resync, protocol::ResyncRequest{asr, 1}.encode());
  net.run(seconds(2));
  cr_assert(net.agreed(asr, 2, {0, 1, 2}), "an automatic generation was held back");
}

Test(incoming,
     credentials_prepared_for_another_machine_are_not_replaced_by_the_old_ones_used_failsafe_chain) {
  NmmNet net(1);
  net.activate_all();
  FakeNode& node = *net.nodes[0];
  const auto at_nmm = [&] { return *net.shell->engine().view(node.provisioning); };
  node.down = true;
  net.shell->post(protocol::RequestRekey{node.provisioning});
  for (int s = 0; s < 7200 && at_nmm().chain != protocol::Chain::failsafe; ++s) net.run(seconds(1));
  node.down = false;
  net.run(seconds(5));
  cr_assert(at_nmm().failsafe_spent);
  const protocol::HardwareValue old = node.hardware;
  node.hardware.fill(0xee);  // the machine that takes its place
  cr_assert(net.prepare(node, true).has_value());
  node.hardware = old;
  const std::uint32_t prepared = net.nmm->nodes().at(0).serial;
  for (int i = 0; i < 3; ++i) {
    node.heartbeat();
    net.run(seconds(2));
  }
  cr_assert_eq(net.nmm->nodes().at(0).serial, prepared, "the bundle that is out is of no use any more");
  cr_assert_lt(node.generation(node.provisioning), prepared, "the old machine has the new one's credentials");
}
