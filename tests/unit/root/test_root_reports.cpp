// daemon/nmm/root_reports.cpp: what goes up, and what a replacement gets back.
#include <criterion/criterion.h>

#include "daemon/nmm/record_codec.h"
#include "tests/unit/root/root_net.h"

using namespace akm;
using namespace akm::root;
using namespace akm::root::test;
using namespace std::chrono_literals;

namespace {

/// The first NMM: it has activated its nodes and reported them.
NmmMachine& lose_first(RootNet& net) {
  NmmMachine& lost = *net.nmms[0];
  cr_assert(lost.join(*net.prepare(lost)));
  net.run(2s);
  net.activate_all(lost);
  net.run(3s);
  lost.down = true;
  return lost;
}

}  // namespace

Test(root_reports, incidents_reach_the_root) {
  RootNet net(1, 2);
  NmmMachine& nmm = *net.nmms[0];
  cr_assert(nmm.join(*net.prepare(nmm)));
  net.run(2s);
  net.activate_all(nmm);
  net.nodes[0]->down = true;
  net.run(200s);  // its heartbeats are missed
  const auto incidents = net.database->incidents();
  cr_assert(incidents);
  const auto silent = std::ranges::find(*incidents, "node-silent", &store::IncidentRow::name);
  cr_assert(silent != incidents->end());
  cr_assert_eq(silent->node_id == net.nodes[0]->node_id || silent->node_id == net.nodes[1]->node_id, true);
}

Test(root_reports, no_secret_is_in_what_the_root_stores_of_a_report) {
  RootNet net(1, 1);
  NmmMachine& nmm = *net.nmms[0];
  cr_assert(nmm.join(*net.prepare(nmm)));
  net.run(2s);
  net.activate_all(nmm);
  net.run(3s);
  const auto nmm_id = nmm.status().nmm_id;
  const auto secret = net.database->secret(secret_name(nmm_id, 1));
  const std::string text = hex(secret->reveal());
  for (const auto kind : {store::RecordKind::nmm, store::RecordKind::node}) {
    const auto rows = net.database->reports(kind, nmm_id);
    cr_assert(rows && !rows->empty());
    for (const auto& row : *rows) {
      for (const auto& [name, value] : row.fields) cr_assert_not(value.contains(text));
    }
  }
}

Test(root_reports, a_replacement_that_cannot_store_tries_until_it_can) {
  RootNet net(2, 3);
  NmmMachine& lost = lose_first(net);
  NmmMachine& next = *net.nmms[1];
  cr_assert(next.join(*net.replace(lost.status().nmm_id, next)));
  next.store.failing_names = "nmm-node-";  // no record can be taken over
  net.run(5s);
  cr_assert(next.nmm->nodes().empty());
  cr_assert_eq(next.status().root_state, "joining");
  next.restart();
  net.run(5s);
  std::optional<Status> early;
  next.nmm->retire(net.nodes[0]->node_id, true, nmm::test::into(early));
  cr_assert(early->error().code == Errc::busy, "not before the records are here");
  next.store.failing_names.reset();
  net.run(30s);
  cr_assert_eq(next.nmm->nodes().size(), 3U);
  cr_assert_eq(next.status().root_state, "reached");
}

Test(root_reports, nodes_that_the_disk_had_no_room_for_are_called_again) {
  RootNet net(2, 2);
  NmmMachine& lost = lose_first(net);
  NmmMachine& next = *net.nmms[1];
  const auto& record = lost.store.records.at("nmm-node-" + hex_id(net.nodes[0]->node_id));
  next.store.failing_names = "asr-" + hex_id(nmm::decode_node_record(record)->provisioning_asr);
  cr_assert(next.join(*net.replace(lost.status().nmm_id, next)));
  net.run(20s);
  cr_assert_eq(next.nmm->nodes().size(), 2U);
  cr_assert_eq(next.status().root_state, "reached", "it waits for no node");
  next.restart();
  net.run(20s);
  cr_assert(next.status().findings.empty(), "%s", next.status().findings.front().c_str());
  std::optional<Status> done;
  next.nmm->retire(net.nodes[1]->node_id, true, nmm::test::into(done));
  net.run(5s);
  cr_assert(done.has_value() && done->has_value(), "operators neither");
  next.store.failing_names.reset();
  net.run(120s);
  net.heartbeats();
  net.run(2s);
  cr_assert_eq(next.status().root_state, "reached");
  cr_assert_eq(next.state_of(net.nodes[0]->name), "active");
}

Test(root_reports, a_replacement_counts_on_where_the_lost_one_was) {
  RootNet net(2, 2);
  NmmMachine& lost = lose_first(net);
  NmmMachine& next = *net.nmms[1];
  cr_assert(next.join(*net.replace(lost.status().nmm_id, next)));
  net.run(10s);
  cr_assert_gt(next.status().incarnation, lost.status().incarnation + kIncarnationLeap - 2);
  cr_assert_eq(next.starts, 2U, "it has started anew once");
  cr_assert_eq(next.status().root_state, "reached");
  cr_assert_eq(next.status().counters.at("root_pending"), 0U);
}

Test(root_reports, a_record_that_does_not_fit_is_left_out_and_the_others_come) {
  RootNet net(2, 3);
  NmmMachine& lost = lose_first(net);
  NmmMachine& next = *net.nmms[1];
  // It has a node of that name: another one.
  const auto& one = lost.store.records.at("nmm-node-" + hex_id(net.nodes[0]->node_id));
  nmm::NodeRecord same_name = *nmm::decode_node_record(one);
  same_name.node_id = 77;
  same_name.provisioning_asr = 78;
  next.store.records["nmm-node-000000000000004d"] = nmm::encode_node_record(same_name);
  next.restart();
  cr_assert_eq(next.nmm->nodes().size(), 1U);
  cr_assert(next.join(*net.replace(lost.status().nmm_id, next)));
  net.run(30s);
  cr_assert_eq(next.status().root_state, "reached");
  cr_assert_eq(next.nmm->nodes().size(), 3U);
  const auto all = next.nmm->nodes();
  const auto kept = std::ranges::find(all, "n0", &nmm::NodeSnapshot::name);
  cr_assert(kept != all.end() && kept->node_id == 77, "it keeps what it has");
  cr_assert_neq(next.state_of("n2"), "");
}

Test(root_reports, a_root_that_forgot_the_activation_gets_another_one) {
  RootNet net(1, 1);
  NmmMachine& nmm = *net.nmms[0];
  cr_assert(nmm.join(*net.prepare(nmm)));
  net.run(2s);
  net.activate_all(nmm);
  net.run(3s);
  cr_assert_eq(net.root->nmms()[0].state, "active");
  NmmRecord older = net.root->book().all().begin()->second;
  older.state = NmmState::prepared;
  older.activated_serial = 0;
  cr_assert(NmmBook(net.store).put(older));
  net.restart_root();
  cr_assert_neq(net.root->nmms()[0].state, "active");
  net.run(150s);
  cr_assert_eq(net.root->nmms()[0].state, "active");
  cr_assert_eq(nmm.status().root_state, "reached");
  cr_assert(nmm.status().findings.empty());
}
