// The whole way between Root, NMM and nodes (protocol.md, section 7, "The Root").
#include "daemon/root/root.h"

#include <criterion/criterion.h>

#include "tests/unit/root/root_net.h"

using namespace akm;
using namespace akm::root;
using namespace akm::root::test;
using namespace std::chrono_literals;

namespace {

/// Until each of the nodes has said its heartbeat and got what it is to get.
void settle_nodes(RootNet& net, int times = 3) {
  for (int i = 0; i < times; ++i) {
    net.heartbeats();
    net.run(2s);
  }
}

std::vector<store::ReportRow> rows(RootNet& net, store::RecordKind kind, std::uint64_t nmm_id) {
  auto out = net.database->reports(kind, nmm_id);
  cr_assert(out);
  return std::move(*out);
}

}  // namespace

Test(root, an_nmm_joins_and_gets_its_secret_from_the_root) {
  RootNet net(1, 2);
  NmmMachine& nmm = *net.nmms[0];
  cr_assert_eq(nmm.status().root_state, "standalone");
  net.policy.rekey_interval_s = 1234;
  const auto content = net.prepare(nmm);
  cr_assert(content);
  cr_assert(nmm.join(*content));
  net.run(2s);
  cr_assert_eq(nmm.status().root_state, "reached");
  cr_assert_eq(nmm.status().state, "ready");
  cr_assert_eq(nmm.status().nmm_id, content->identity.node_id);
  cr_assert_eq(net.root->nmms()[0].state, "active");

  net.activate_all(nmm);
  const auto asr_id = net.create(nmm, 2);
  cr_assert_neq(asr_id, 0U);
  cr_assert_eq(net.nodes[0]->view(asr_id)->description.policy.rekey_interval_s, 1234U,
               "the policy is the Root's");
  net.run(2s);
  cr_assert_eq(rows(net, store::RecordKind::node, nmm.status().nmm_id).size(), 2U);
  const auto asrs = rows(net, store::RecordKind::asr, nmm.status().nmm_id);
  cr_assert_eq(asrs.size(), 1U);
  cr_assert_eq(asrs[0].fields.at("generation"), "1");
  cr_assert_eq(net.root->nmms()[0].nodes, 2U);
  cr_assert_eq(nmm.status().counters.at("root_pending"), 0U);
}

Test(root, an_nmm_that_stands_alone_is_adopted_and_its_nodes_are_not_touched) {
  RootNet net(1, 3);
  NmmMachine& nmm = *net.nmms[0];
  nmm.nmm->create_root_secret([](const Status&) {});
  net.activate_all(nmm);
  const auto asr_id = net.create(nmm, 3);
  const auto own = nmm.status().nmm_id;
  cr_assert(nmm.join(*net.prepare(nmm)).error().code == Errc::refused_by_policy, "its id is another one");
  const std::size_t installs = net.nodes[0]->installs;
  NmmMachine& same = nmm;
  ControlPort::Prepare what;
  what.nmm_name = "south";
  what.hardware_value = same.hardware_value();
  what.nmm_id = own;
  std::optional<Result<protocol::BundleContent>> content;
  net.root->issuer().prepare(what, "test",
                             [&](Result<protocol::BundleContent> c) { content = std::move(c); });
  net.run(1ms);
  cr_assert(content && content->has_value());
  cr_assert(nmm.join(**content));
  net.run(3s);
  cr_assert_eq(nmm.status().root_state, "reached");
  cr_assert_eq(nmm.status().nmm_id, own);
  cr_assert_eq(rows(net, store::RecordKind::node, own).size(), 3U);
  cr_assert_eq(net.nodes[0]->installs, installs);
  cr_assert_eq(net.nodes[0]->generation(asr_id), 1U);
  cr_assert(net.database->secret(secret_name(own, 1)), "the Root has its secret");
}

Test(root, an_outage_of_the_root_stops_nothing_and_is_caught_up_with) {
  RootNet net(1, 4);
  NmmMachine& nmm = *net.nmms[0];
  cr_assert(nmm.join(*net.prepare(nmm)));
  net.run(2s);
  net.root_down = true;
  net.activate_all(nmm);
  const auto first = net.create(nmm, 4);
  const auto second = net.create(nmm, 2);
  cr_assert_neq(second, 0U);
  nmm.nmm->delete_asr(first, [](const Status&) {});
  net.run(70s);
  cr_assert_eq(nmm.status().root_state, "outage");
  cr_assert_gt(nmm.status().counters.at("root_pending"), 0U);
  nmm.restart();
  net.run(2s);
  cr_assert_gt(nmm.status().counters.at("root_pending"), 0U, "what is to be reported outlives a restart");
  net.root_down = false;
  net.restart_root();
  net.run(70s);
  cr_assert_eq(nmm.status().root_state, "reached");
  cr_assert_eq(nmm.status().counters.at("root_pending"), 0U);
  const auto nmm_id = nmm.status().nmm_id;
  cr_assert_eq(rows(net, store::RecordKind::node, nmm_id).size(), 4U);
  std::size_t living = 0;
  for (const auto& row : rows(net, store::RecordKind::asr, nmm_id)) {
    living += row.fields.contains("generation") ? 1U : 0U;
    if (row.id == first && row.fields.contains("state")) cr_assert_eq(row.fields.at("state"), "gone");
  }
  cr_assert_eq(living, 1U);
}

Test(root, a_lost_nmm_is_replaced_and_all_nodes_come_back, .timeout = 250) {
  RootNet net(2, 20);
  NmmMachine& lost = *net.nmms[0];
  NmmMachine& next = *net.nmms[1];
  cr_assert(lost.join(*net.prepare(lost)));
  net.run(2s);
  net.activate_all(lost);
  const auto asr_id = net.create(lost, 20);
  settle_nodes(net);
  const auto nmm_id = lost.status().nmm_id;
  lost.restart();  // it has counted its starts further than the replacement ever will by itself
  lost.restart();
  settle_nodes(net);
  lost.down = true;

  const auto content = net.replace(nmm_id, next);
  cr_assert(content);
  cr_assert(next.join(*content));
  net.run(3s);
  cr_assert_eq(next.status().root_state, "reached");
  cr_assert_eq(next.status().nmm_id, nmm_id);
  cr_assert_eq(next.nmm->nodes().size(), 20U);
  cr_assert_eq(next.nmm->asrs().size(), 1U);
  net.run(120s);  // by normal, fallback and failsafe chain
  settle_nodes(net, 4);
  for (const auto& node : net.nodes) {
    cr_assert_eq(next.state_of(node->name), "active", "%s", node->name.c_str());
    cr_assert_eq(next.serial_of(node->name), 2U, "derived from the secret that the lost one does not know");
    cr_assert_eq(node->view(node->provisioning)->description.generation, 2U);
    cr_assert_eq(node->generation(asr_id), 1U, "the group went on");
  }
  // It is their NMM: it makes a new generation for all.
  std::optional<Status> done;
  next.nmm->rekey(asr_id, nmm::test::into(done));
  net.run(10s);
  cr_assert(done && done->has_value());
  for (const auto& node : net.nodes) cr_assert_eq(node->generation(asr_id), 2U);
  net.run(60s);
  cr_assert_eq(net.root->book().find(nmm_id)->secrets.size(), 1U, "the lost one's secret is used no more");

  // The old machine comes back: no node hears it, and the Root tells it.
  lost.down = false;
  lost.restart();
  const std::size_t installs = net.nodes[3]->installs;
  std::optional<Status> tried;
  lost.nmm->rekey(asr_id, nmm::test::into(tried));
  net.run(40s);
  cr_assert_eq(lost.status().state, "fenced");
  cr_assert_eq(lost.status().root_state, "fenced");
  cr_assert_eq(net.nodes[3]->installs, installs);
  cr_assert(net.root->book().find(nmm_id)->fenced.empty());
  std::optional<Status> refused;
  lost.nmm->rekey(asr_id, nmm::test::into(refused));
  cr_assert(refused && refused->error().code == Errc::wrong_state);
  lost.restart();
  net.run(10s);
  cr_assert_eq(lost.status().state, "fenced", "a restart makes nothing good");
  settle_nodes(net, 1);
  cr_assert_eq(next.state_of("n3"), "active");
}

Test(root, a_replacement_that_is_lost_in_the_middle_is_replaced_too, .timeout = 250) {
  RootNet net(3, 4);
  NmmMachine& lost = *net.nmms[0];
  cr_assert(lost.join(*net.prepare(lost)));
  net.run(2s);
  net.activate_all(lost);
  settle_nodes(net, 1);
  lost.down = true;
  const auto nmm_id = lost.status().nmm_id;
  cr_assert(net.nmms[1]->join(*net.replace(nmm_id, *net.nmms[1])));
  net.run(1s);
  net.nmms[1]->down = true;  // before it has reached a node
  cr_assert(net.nmms[2]->join(*net.replace(nmm_id, *net.nmms[2])));
  net.run(120s);
  settle_nodes(net, 4);
  for (const auto& node : net.nodes)
    cr_assert_eq(net.nmms[2]->state_of(node->name), "active", "%s", node->name.c_str());
}

Test(root, what_is_not_an_nmm_s_is_refused) {
  RootNet net(2, 1);
  NmmMachine& nmm = *net.nmms[0];
  auto content = net.prepare(nmm);
  cr_assert(net.nmms[1]->join(*content).error().code == Errc::hardware_mismatch, "another machine's");
  cr_assert_eq(net.nmms[1]->status().root_state, "standalone");
  cr_assert(nmm.join(*content));
  cr_assert_not(nmm.join(*content).has_value(), "once");
  net.run(10s);
  cr_assert_eq(nmm.status().root_state, "reached");
  ControlPort::Prepare what;
  what.nmm_name = "other";
  std::optional<Errc> why;
  net.root->issuer().prepare(what, "test", [&](const Result<protocol::BundleContent>& c) {
    if (!c) why = c.error().code;
  });
  cr_assert(why == Errc::refused_by_policy, "an NMM is bound to its hardware");
  net.root->issuer().replace(0x99, nmm.hardware_value(), "test",
                             [&](const Result<protocol::BundleContent>& c) {
                               if (!c) why = c.error().code;
                             });
  cr_assert(why == Errc::not_found);
}

Test(root, an_older_copy_of_an_nmm_overwrites_nothing) {
  RootNet net(1, 3);
  NmmMachine& nmm = *net.nmms[0];
  cr_assert(nmm.join(*net.prepare(nmm)));
  net.run(2s);
  const auto old = nmm.store.records;
  net.activate_all(nmm);
  net.run(5s);
  const auto nmm_id = nmm.status().nmm_id;
  cr_assert_eq(rows(net, store::RecordKind::node, nmm_id).size(), 3U);
  nmm.store.records = old;
  nmm.restart();
  net.run(200s);
  const auto findings = nmm.status().findings;
  cr_assert(std::ranges::any_of(findings, [](const auto& f) { return f.contains("older copy"); }));
  cr_assert_eq(rows(net, store::RecordKind::node, nmm_id).size(), 3U);
  cr_assert_neq(net.event("nmm-older"), nullptr);
}

Test(root, a_database_that_is_away_makes_the_nmm_wait) {
  RootNet net(1, 1);
  NmmMachine& nmm = *net.nmms[0];
  const auto content = net.prepare(nmm);
  net.database_down = true;
  cr_assert(nmm.join(*content));
  net.run(20s);
  cr_assert_eq(nmm.status().root_state, "joining");
  net.database_down = false;
  net.run(20s);
  cr_assert_eq(nmm.status().root_state, "reached");
}

Test(root, a_changed_policy_is_told) {
  RootNet net(1, 0);
  NmmMachine& nmm = *net.nmms[0];
  cr_assert(nmm.join(*net.prepare(nmm)));
  net.run(2s);
  net.policy.renew_interval_s = 7777;
  net.root->policy_changed();
  net.run(2s);
  cr_assert_not(net.root->book().all().begin()->second.policy_pending);
}
