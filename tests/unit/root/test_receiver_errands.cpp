// daemon/root/receiver_errands.cpp: what the Root tells its NMMs until they have answered.
#include <criterion/criterion.h>

#include "tests/unit/root/root_net.h"

using namespace akm;
using namespace akm::root;
using namespace akm::root::test;
using namespace std::chrono_literals;

Test(receiver_errands, what_is_issued_is_said_until_it_is_taken) {
  RootNet net(1, 0);
  NmmMachine& nmm = *net.nmms[0];
  cr_assert(nmm.join(*net.prepare(nmm)));
  nmm.store.failing_names = "nmm-root";  // it cannot store the secret
  net.run(20s);
  cr_assert_eq(nmm.status().state, "no-root-secret");
  cr_assert(net.root->book().all().begin()->second.issue_pending);
  nmm.store.failing_names.reset();
  net.run(90s);
  cr_assert_eq(nmm.status().state, "ready");
  cr_assert_not(net.root->book().all().begin()->second.issue_pending);
}

Test(receiver_errands, a_policy_is_told_when_the_nmm_is_back) {
  RootNet net(1, 0);
  NmmMachine& nmm = *net.nmms[0];
  cr_assert(nmm.join(*net.prepare(nmm)));
  net.run(2s);
  nmm.down = true;
  net.policy.rekey_interval_s = 999;
  net.root->policy_changed();
  net.run(200s);
  cr_assert(net.root->book().all().begin()->second.policy_pending);
  cr_assert_eq(net.root->nmms()[0].state, "silent");
  nmm.down = false;
  net.run(60s);
  cr_assert_not(net.root->book().all().begin()->second.policy_pending);
  cr_assert_eq(net.root->nmms()[0].state, "active");
  cr_assert_not_null(net.event("nmm-heard-again"));
}

Test(receiver_errands, an_nmm_that_is_dead_at_the_root_s_start_becomes_silent) {
  RootNet net(1, 0);
  NmmMachine& nmm = *net.nmms[0];
  cr_assert(nmm.join(*net.prepare(nmm)));
  net.run(2s);
  nmm.down = true;
  net.restart_root();
  net.run(10s);
  cr_assert_eq(net.root->nmms()[0].state, "active");
  net.run(200s);
  cr_assert_eq(net.root->nmms()[0].state, "silent");
  cr_assert_not_null(net.event("nmm-silent"));
  cr_assert_eq(net.root->nmms()[0].last_heard_ns, 0);
}

Test(receiver_errands, a_silent_nmm_is_not_called_until_it_is_heard) {
  RootNet net(1, 0);
  NmmMachine& nmm = *net.nmms[0];
  cr_assert(nmm.join(*net.prepare(nmm)));
  net.run(2s);
  nmm.down = true;
  net.root->policy_changed();
  net.run(300s);
  cr_assert_eq(net.root->nmms()[0].state, "silent");
  const auto sent = net.shell->engine().counters().frames_sent;
  net.run(600s);
  cr_assert_eq(net.shell->engine().counters().frames_sent, sent);
}

Test(receiver_errands, a_used_failsafe_chain_gets_the_nmm_its_next_serial) {
  RootNet net(1, 0);
  NmmMachine& nmm = *net.nmms[0];
  cr_assert(nmm.join(*net.prepare(nmm)));
  net.run(2s);
  const auto nmm_id = nmm.status().nmm_id;
  // Both sides move on, and the Root's machine comes back with what it had before: only failsafe is common.
  const auto old = net.store.records;
  nmm.shell->post(protocol::RequestRekey{nmm.nmm->root_link().asr_id()});
  net.run(2s);
  net.root_down = true;
  nmm.shell->post(protocol::RequestRekey{nmm.nmm->root_link().asr_id()});
  net.run(120s);
  net.store.records = old;
  net.root_down = false;
  net.restart_root();
  net.run(1500s);
  cr_assert_eq(nmm.status().root_state, "reached");
  cr_assert_not(nmm.shell->engine().view(nmm.nmm->root_link().asr_id())->failsafe_spent);
  cr_assert_geq(net.root->book().find(nmm_id)->serial, 1U);
}

Test(receiver_errands, a_fenced_machine_that_cannot_store_it_is_told_again) {
  RootNet net(2, 0);
  NmmMachine& lost = *net.nmms[0];
  cr_assert(lost.join(*net.prepare(lost)));
  net.run(2s);
  const auto nmm_id = lost.status().nmm_id;
  cr_assert(net.nmms[1]->join(*net.replace(nmm_id, *net.nmms[1])));
  lost.store.failing_names = "node";
  net.run(40s);
  cr_assert_eq(net.root->book().find(nmm_id)->fenced.size(), 1U);
  const auto findings = net.root->status().findings;
  cr_assert(std::ranges::any_of(findings, [](const auto& f) { return f.contains("fenced off"); }));
  lost.store.failing_names.reset();
  net.run(100s);
  cr_assert_eq(lost.status().state, "fenced");
  cr_assert(net.root->book().find(nmm_id)->fenced.empty());
  cr_assert_eq(lost.store.records.at("nmm-root").size(), 9U, "no secret is left");
}

namespace {

/// A Root with records, and an NMM that has joined it.
struct Records {
  RootNet net{2, 2};
  NmmMachine& nmm = *net.nmms[0];
  protocol::ConfigureRequest records;

  explicit Records(bool join = true) {
    net.configuration_of = [this](protocol::NodeId) { return records; };
    net.restart_root();
    net.root->records_changed();
    if (!join) return;
    cr_assert(nmm.join(*net.prepare(nmm)));
    net.run(3s);
  }
  void change(std::vector<protocol::ExpectedNode> nodes,
              std::vector<std::pair<protocol::AsrId, protocol::PolicyText>> policies = {}) {
    records.nodes = std::move(nodes);
    records.policies = std::move(policies);
    net.root->records_changed();
  }
  [[nodiscard]] const protocol::Digest32& told() const { return net.root->book().all().begin()->second.told; }
};

}  // namespace

Test(receiver_errands, the_records_of_its_nodes_go_to_the_nmm_and_outlive_its_restart) {
  Records f;
  cr_assert_eq(f.told(), protocol::Digest32{}, "there was nothing to tell");
  f.change({{0xa7, "pump-7", {"10.0.1.7:7400"}}});
  f.net.run(2s);
  cr_assert_eq(f.nmm.state_of("pump-7"), "expected");
  cr_assert_neq(f.told(), protocol::Digest32{});
  f.nmm.restart();
  cr_assert_eq(f.nmm.state_of("pump-7"), "expected");
  f.change({});
  f.net.run(2s);
  cr_assert_eq(f.nmm.state_of("pump-7"), "");
  cr_assert_eq(f.told(), protocol::Digest32{});
}

Test(receiver_errands, a_node_that_was_expected_has_the_id_of_its_record) {
  Records f;
  f.change({{0xa7, "n0", {"10.0.1.1:7400"}}});
  f.net.run(2s);
  f.net.activate_all(f.nmm);
  const auto nodes = f.nmm.nmm->nodes();
  cr_assert_eq(nodes.size(), 2U);
  cr_assert_eq(nodes[0].name, "n0");
  cr_assert_eq(nodes[0].node_id, 0xa7U);
  cr_assert_eq(nodes[0].state, "active");
}

Test(receiver_errands, a_policy_of_a_relationship_is_applied_and_acknowledged) {
  Records f;
  f.net.activate_all(f.nmm);
  const protocol::AsrId asr_id = f.net.create(f.nmm, 2);
  cr_assert_neq(asr_id, 0U);
  f.change({}, {{asr_id, {{"rekey_interval_s", "777"}}}});
  f.net.run(5s);
  cr_assert_eq(f.nmm.nmm->asrs().at(0).policy.at("rekey_interval_s"), "777");
  cr_assert_neq(f.told(), protocol::Digest32{});
  f.nmm.restart();
  cr_assert_eq(f.nmm.nmm->asrs().at(0).policy.at("rekey_interval_s"), "777");
  f.change({}, {{asr_id, {{"rekey_interval_s", "never"}}}});
  f.net.run(5s);
  cr_assert_eq(f.nmm.nmm->asrs().at(0).policy.at("rekey_interval_s"), "777");
  const auto& history = f.nmm.events->history();
  cr_assert(
      std::ranges::any_of(history, [](const EventRecord& e) { return e.name == "root-policy-refused"; }));
}

Test(receiver_errands, what_was_told_is_not_told_again_and_what_was_not_is) {
  Records f;
  f.nmm.down = true;
  f.change({{0xa7, "pump-7", {}}});
  f.net.run(200s);
  cr_assert_eq(f.told(), protocol::Digest32{});
  f.nmm.down = false;
  f.net.run(60s);
  cr_assert_eq(f.nmm.state_of("pump-7"), "expected");
  const auto sent = f.net.shell->engine().counters().frames_sent;
  f.net.root->records_changed();
  cr_assert_eq(f.net.shell->engine().counters().frames_sent, sent, "it has them");
}

Test(receiver_errands, a_large_list_comes_in_parts_and_a_replacement_gets_it_too) {
  Records f;
  std::vector<protocol::ExpectedNode> nodes;
  for (std::uint64_t i = 1; i <= 1500; ++i) nodes.push_back({i, "pump-" + std::to_string(i), {}});
  f.change(nodes);
  f.net.run(5s);
  cr_assert_eq(f.nmm.nmm->nodes().size(), 1500U);
  f.nmm.down = true;
  cr_assert(f.net.nmms[1]->join(*f.net.replace(f.nmm.status().nmm_id, *f.net.nmms[1])));
  f.net.run(20s);
  cr_assert_eq(f.net.nmms[1]->nmm->nodes().size(), 1500U);
}
