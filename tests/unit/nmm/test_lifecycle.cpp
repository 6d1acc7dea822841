#include "daemon/nmm/lifecycle.h"

#include <criterion/criterion.h>

#include "tests/unit/nmm/nmm_net.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::seconds;

TestSuite(lifecycle, .init = quiet);

namespace {

std::vector<std::string> values_of(NmmNet& net, protocol::NodeId node_id, std::string_view fact) {
  std::vector<std::string> out;
  const auto known = net.nmm->describe(node_id);
  for (const auto& [name, value] : *known) {
    if (name == fact) out.push_back(value);
  }
  return out;
}

void ask_rehome(FakeNode& node, std::uint8_t changed, bool rehome = true) {
  protocol::ActivateRequest request;
  request.hardware_value = node.hardware;
  request.hardware_value[0] ^= changed;
  request.version = "1";
  request.rehome = rehome;
  request.machine.emplace();
  request.machine->sources = {{"dmi-board-serial", {}}};
  request.machine->start = 2;
  node.send(protocol::Method::activate, request.encode());
}

std::vector<std::uint8_t> value_of(const FakeNode& node, std::uint8_t changed) {
  std::vector<std::uint8_t> out(node.hardware.begin(), node.hardware.end());
  out[0] ^= changed;
  return out;
}

}  // namespace

Test(lifecycle, the_next_serial_over_the_present_session) {
  NmmNet net(2);
  net.activate_all();
  const auto asr = net.create(2);
  std::optional<Status> result;
  net.nmm->reprovision(net.nodes[0]->node_id, into(result));
  net.run(seconds(2));
  cr_assert(result && *result);
  cr_assert_eq(net.nmm->nodes().at(0).serial, 2U);
  cr_assert_eq(net.nodes[0]->generation(net.nodes[0]->provisioning), 2U);
  cr_assert(net.agreed(asr, 1, {0, 1}), "its groups go on");
  cr_assert_eq(values_of(net, net.nodes[0]->node_id, "Activated serial").at(0), "2");
}

Test(lifecycle, who_has_not_activated_is_not_reprovisioned) {
  NmmNet net(1);
  (void)net.prepare(*net.nodes[0], true);
  std::optional<Status> result;
  net.nmm->reprovision(net.nmm->nodes().at(0).node_id, into(result));
  cr_assert(result->error().code == Errc::not_activated);
  net.nmm->reprovision(77, into(result));
  cr_assert(result->error().code == Errc::not_found);
}

Test(lifecycle, a_node_that_is_away_times_out_and_gets_it_later) {
  NmmNet net(1);
  net.activate_all();
  net.nodes[0]->down = true;
  std::optional<Status> result;
  net.nmm->reprovision(net.nodes[0]->node_id, into(result));
  net.run(seconds(120));
  cr_assert(result->error().code == Errc::timed_out);
  net.nodes[0]->down = false;
  net.nodes[0]->heartbeat();
  net.run(seconds(5));
  cr_assert_eq(net.nodes[0]->generation(net.nodes[0]->provisioning), 2U);
}

Test(lifecycle, rehome_takes_both_operators) {
  NmmNet net(1);
  net.activate_all();
  FakeNode& node = *net.nodes[0];
  std::optional<Status> result;
  net.nmm->rehome(node.node_id, value_of(node, 1), into(result));
  cr_assert(result->error().code == Errc::wrong_state, "it has not asked");
  ask_rehome(node, 1);
  net.run(seconds(1));
  cr_assert(node.last_response->status == protocol::ControlStatus::not_activated);
  cr_assert(net.event("rehome-asked") != nullptr);
  cr_assert_eq(values_of(net, node.node_id, "Another machine: hardware value").at(0), hex(value_of(node, 1)));
  net.nmm->rehome(node.node_id, value_of(node, 2), into(result));
  cr_assert(result->error().code == Errc::hardware_mismatch);
  cr_assert_eq(net.nmm->nodes().at(0).serial, 1U);
  net.nmm->rehome(node.node_id, value_of(node, 1), into(result));
  net.run(seconds(2));
  cr_assert(result->has_value());
  cr_assert_eq(net.nmm->nodes().at(0).serial, 2U);
}

Test(lifecycle, while_the_original_is_heard_nobody_takes_its_place) {
  NmmNet net(1);
  net.activate_all();
  FakeNode& node = *net.nodes[0];
  ask_rehome(node, 1);
  net.run(seconds(1));
  node.heartbeat();
  net.run(seconds(1));
  std::optional<Status> result;
  net.nmm->rehome(node.node_id, value_of(node, 1), into(result));
  cr_assert(result->error().code == Errc::wrong_state);
  cr_assert(result->error().detail.contains("two machines"));
}

// Under the next serial nobody would answer the machine that asks.
Test(lifecycle, who_asks_from_another_machine_is_rehomed_and_not_reprovisioned) {
  NmmNet net(1);
  net.activate_all();
  FakeNode& node = *net.nodes[0];
  ask_rehome(node, 1);
  net.run(seconds(1));
  std::optional<Status> result;
  net.nmm->reprovision(node.node_id, into(result));
  cr_assert(result->error().code == Errc::wrong_state);
  cr_assert(result->error().detail.contains("akmctl nmm rehome " + node.name));
  cr_assert_eq(net.nmm->nodes().at(0).serial, 1U);
  net.nmm->rehome(node.node_id, value_of(node, 1), into(result));
  net.run(seconds(2));
  cr_assert(result->has_value(), "nothing was used up");
}

Test(lifecycle, a_copy_that_was_heard_last_forbids_it_until_the_original_is_heard) {
  NmmNet net(1);
  net.activate_all();
  FakeNode& node = *net.nodes[0];
  ask_rehome(node, 1, false);
  net.run(seconds(1));
  std::optional<Status> result;
  net.nmm->reprovision(node.node_id, into(result));
  cr_assert(result->error().code == Errc::wrong_state);
  cr_assert(result->error().detail.contains("akmctl nmm rehome"));
  node.heartbeat();
  net.run(seconds(1));
  net.nmm->reprovision(node.node_id, into(result));
  net.run(seconds(2));
  cr_assert(result->has_value(), "it is how the copy is locked out");
}

Test(lifecycle, a_retired_node_is_out_of_its_groups) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  std::optional<Status> result;
  net.nodes[2]->down = true;
  net.nmm->retire(net.nodes[2]->node_id, true, into(result));
  net.run(seconds(5));
  cr_assert(result->has_value());
  cr_assert_eq(net.state_of(net.nodes[2]->name), "retired");
  cr_assert(net.agreed(asr, 2, {0, 1}));
  net.nodes[2]->down = false;
  net.nodes[2]->heartbeat();
  net.run(seconds(2));
  cr_assert_eq(net.state_of(net.nodes[2]->name), "retired", "it is not heard any more");
}
