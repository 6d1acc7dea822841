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
