#include "daemon/nmm/nmm.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <chrono>

#include "tests/unit/nmm/nmm_net.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TestSuite(nmm_snapshot, .init = quiet);

Test(nmm_snapshot, nodes_show_what_is_known_of_them) {
  NmmNet net(2);
  net.activate_all();
  const auto asr = net.create(2);
  const auto nodes = net.nmm->nodes();
  cr_assert_eq(nodes.size(), 2U);
  cr_assert_eq(nodes[0].name, "n0");
  cr_assert_eq(nodes[0].endpoint, "10.0.1.1:7400");
  cr_assert_eq(nodes[0].version, "0.1.0");
  cr_assert_eq(nodes[0].serial, 1U);
  cr_assert_gt(nodes[0].last_heard_ns, 0);
  cr_assert(nodes[0].asrs == (std::vector<std::uint64_t>{asr}));
}

Test(nmm_snapshot, relationships_show_their_members_and_progress) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.nodes[0]->heartbeat();
  net.run(seconds(1));
  auto shown = net.nmm->asrs().at(0);
  cr_assert_eq(shown.id, asr);
  cr_assert_eq(shown.kind, "operational");
  cr_assert_eq(shown.label, "asr-1");
  cr_assert_eq(shown.phase, "complete");
  cr_assert_eq(shown.key_check, "", "an NMM has no session key");
  cr_assert_eq(shown.members[0].state, "active");
  cr_assert_eq(shown.members[0].generation, 1U);
  cr_assert_eq(shown.members[0].epoch, 1U);
  cr_assert_eq(shown.epoch, 1U);
  net.nodes[2]->down = true;
  net.nmm->rekey(asr, [](const Status&) {});
  net.run(seconds(1));
  shown = net.nmm->asrs().at(0);
  cr_assert_eq(shown.phase, "installing (0 of 3)");
  cr_assert_eq(shown.members[2].state, "waiting");
  net.run(seconds(40));
  shown = net.nmm->asrs().at(0);
  cr_assert_eq(shown.phase, "switching (2 of 3)");
}

namespace {

const MemberSnapshot& member(const AsrSnapshot& asr, std::string_view name) {
  const auto at = std::ranges::find(asr.members, name, &MemberSnapshot::name);
  cr_assert(at != asr.members.end());
  return *at;
}

std::string straggler(const AsrSnapshot& asr, std::string_view name) {
  const auto at = std::ranges::find(asr.stragglers, name, &StragglerSnapshot::name);
  return at == asr.stragglers.end() ? "" : at->waits_for;
}

}  // namespace

Test(nmm_snapshot, an_answered_install_says_what_a_member_holds) {
  NmmNet net(3);
  net.activate_all();
  const Instant before = net.now;
  (void)net.create(3);
  const auto shown = net.nmm->asrs().at(0);
  for (const MemberSnapshot& one : shown.members) {
    cr_assert_eq(one.generation, 1U, "%s has sent no heartbeat", one.name.c_str());
    cr_assert_eq(one.epoch, 1U);
    cr_assert_eq(one.sent_generation, 1U);
    cr_assert_gt(one.since_ns, before.ns);
    cr_assert_leq(one.since_ns, net.now.ns);
    cr_assert_gt(one.last_heard_ns, 0);
    cr_assert_eq(one.waits_for, "");
  }
  cr_assert_eq(shown.epoch, 1U);
  cr_assert_eq(shown.now_ns, net.now.ns);
  cr_assert_eq(shown.waits_for, "");
  cr_assert(shown.stragglers.empty());
  cr_assert_gt(shown.since_ns, 0);
  const std::int64_t since = shown.members[1].since_ns;
  net.nodes[1]->heartbeat();
  net.run(seconds(1));
  cr_assert_eq(net.nmm->asrs().at(0).members[1].since_ns, since, "the same, said again");
}

Test(nmm_snapshot, a_straggler_is_named_with_what_it_waits_for_until_it_has_caught_up) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.nodes[2]->down = true;
  const Instant started = net.now;
  net.nmm->rekey(asr, [](const Status&) {});
  net.run(seconds(4));
  auto shown = net.nmm->asrs().at(0);
  cr_assert_eq(shown.stragglers.size(), 1U);
  cr_assert_eq(straggler(shown, "n2"), "install sent, no answer");
  cr_assert_eq(shown.stragglers[0].since_ns, started.ns);
  cr_assert_eq(member(shown, "n2").waits_for, "install sent, no answer");
  cr_assert_eq(member(shown, "n2").generation, 1U);
  cr_assert_eq(member(shown, "n2").sent_generation, 2U);
  cr_assert_eq(member(shown, "n0").generation, 2U);
  cr_assert_eq(member(shown, "n0").waits_for, "the switch, when the others have installed");
  cr_assert_eq(shown.waits_for, "answers to install");
  cr_assert_eq(shown.waits_until_ns, (started + seconds(30)).ns);
  cr_assert_eq(shown.phase_since_ns, started.ns);
  // A heartbeat of the generation that is still in use takes nothing back.
  net.nodes[0]->heartbeat();
  net.run(seconds(1));
  cr_assert_eq(member(net.nmm->asrs().at(0), "n0").generation, 2U);
  net.run(seconds(60));
  shown = net.nmm->asrs().at(0);
  cr_assert_eq(straggler(shown, "n2").substr(0, 13), "install sent ");
  cr_assert(straggler(shown, "n2").ends_with(" times, left out until it is heard"), "%s",
            straggler(shown, "n2").c_str());
  cr_assert_eq(shown.stragglers.size(), 1U);
  net.nodes[2]->down = false;
  net.nodes[2]->heartbeat();
  net.run(seconds(10));
  shown = net.nmm->asrs().at(0);
  cr_assert(shown.stragglers.empty());
  cr_assert_eq(member(shown, "n2").generation, 2U);
  cr_assert_eq(member(shown, "n2").waits_for, "");
  cr_assert_eq(shown.phase, "complete");
}

Test(nmm_snapshot, who_does_not_confirm_the_switch_is_named) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.nodes[2]->down = true;
  net.nmm->rekey(asr, [](const Status&) {});
  net.run(seconds(29));
  net.nodes[1]->down = true;  // it has installed
  net.run(seconds(3));
  const auto shown = net.nmm->asrs().at(0);
  cr_assert_eq(straggler(shown, "n1"), "switch sent, not confirmed");
  cr_assert_eq(shown.waits_for, "answers to install and switch");
  cr_assert_eq(shown.waits_until_ns, 0);
}

Test(nmm_snapshot, who_was_removed_is_named_until_it_has_retired) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.nodes[2]->down = true;
  net.nmm->remove_member(asr, net.nodes[2]->node_id, [](const Status&) {});
  net.run(seconds(5));
  auto shown = net.nmm->asrs().at(0);
  cr_assert_eq(shown.members.size(), 2U);
  cr_assert_eq(straggler(shown, "n2"), "retire sent, not confirmed");
  net.nodes[2]->down = false;
  net.run(seconds(20));
  cr_assert(net.nmm->asrs().at(0).stragglers.empty());
}

Test(nmm_snapshot, a_deleted_relationship_is_shown_until_the_last_has_retired_it) {
  NmmNet net(2);
  net.activate_all();
  const auto asr = net.create(2);
  net.nodes[1]->down = true;
  net.nmm->delete_asr(asr, [](const Status&) {});
  net.run(seconds(15));
  const auto all = net.nmm->asrs();
  cr_assert_eq(all.size(), 1U);
  cr_assert_eq(all[0].phase, "retiring");
  cr_assert_eq(all[0].waits_for, "answers to retire");
  cr_assert(all[0].members.empty());
  cr_assert_eq(all[0].stragglers.size(), 1U);
  cr_assert_eq(straggler(all[0], "n1"), "retire sent 2 times, not confirmed");
  net.nodes[1]->down = false;
  net.run(seconds(30));
  cr_assert(net.nmm->asrs().empty());
}

Test(nmm_snapshot, an_evicted_node_is_named_until_it_is_readmitted) {
  NmmNet net(3);
  net.activate_all();
  (void)net.create(3);
  net.nodes[2]->down = true;
  net.nmm->quarantine(net.nodes[2]->node_id, [](const Status&) {});
  net.run(seconds(2));
  cr_assert(straggler(net.nmm->asrs().at(0), "n2").ends_with("not confirmed"));
  net.nodes[2]->down = false;
  net.run(seconds(30));
  cr_assert_eq(straggler(net.nmm->asrs().at(0), "n2"), "quarantined: left out until it is readmitted");
  net.nmm->readmit(net.nodes[2]->node_id, [](const Status&) {});
  net.run(seconds(10));
  cr_assert(net.nmm->asrs().at(0).stragglers.empty());
}

Test(nmm_snapshot, an_overdue_heartbeat_is_said_but_delays_nothing) {
  NmmNet net(2);
  net.activate_all();
  (void)net.create(2);
  net.nodes[0]->heartbeat();
  net.run(seconds(1));
  net.nodes[1]->down = true;
  const std::int64_t last = net.nmm->asrs().at(0).members[1].last_heard_ns;
  for (int i = 0; i < 30 && net.state_of("n1") != "silent"; ++i) {
    net.nodes[0]->heartbeat();
    net.run(seconds(10));
  }
  const auto shown = net.nmm->asrs().at(0);
  cr_assert_eq(member(shown, "n1").waits_for, "heartbeat overdue");
  cr_assert_eq(member(shown, "n1").waits_since_ns, last);
  cr_assert_eq(member(shown, "n0").waits_for, "");
  cr_assert(shown.stragglers.empty());
}

Test(nmm_snapshot, after_a_restart_members_hold_what_they_had_all_answered_for) {
  NmmNet net(2);
  net.activate_all();
  (void)net.create(2);
  net.restart_nmm();
  const auto shown = net.nmm->asrs().at(0);
  cr_assert_eq(shown.members[0].generation, 1U);
  cr_assert_eq(shown.members[0].epoch, 0U, "not known");
  cr_assert_eq(shown.members[0].last_heard_ns, 0);
  cr_assert(shown.stragglers.empty());
}
