#include "daemon/nmm/membership.h"

#include <criterion/criterion.h>

#include <chrono>

#include "tests/unit/nmm/nmm_net.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TestSuite(membership, .init = quiet);

Test(membership, nodes_activate_and_share_an_asr) {
  NmmNet net(4);
  net.activate_all();
  for (const NodeSnapshot& node : net.nmm->nodes()) cr_assert_eq(node.state, "active");
  const auto asr = net.create(4);
  cr_assert_neq(asr, 0U);
  cr_assert(net.agreed(asr, 1, {0, 1, 2, 3}));
  cr_assert_eq(net.nmm->asrs().size(), 1U);
  cr_assert_eq(net.nmm->asrs()[0].phase, "complete");
  cr_assert_eq(credentials_kept(net.store), 0U, "the NMM keeps no secrets of a generation that all have");
  const EventRecord* event = net.event("generation-installed");
  cr_assert_not_null(event);
  cr_assert_eq(event->fields.at("members"), "4");
}

Test(membership, a_new_member_brings_a_new_generation_for_all) {
  NmmNet net(5);
  net.activate_all();
  const auto asr = net.create(4);
  std::optional<Status> done;
  net.nmm->add_member(asr, net.nodes[4]->node_id, into(done));
  net.run(seconds(2));
  cr_assert(done && *done);
  cr_assert(net.agreed(asr, 2, {0, 1, 2, 3, 4}));
  cr_assert_eq(net.nmm->asrs()[0].members.size(), 5U);
}

Test(membership, a_removed_member_is_retired_and_the_others_go_on) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  std::optional<Status> done;
  net.nmm->remove_member(asr, net.nodes[1]->node_id, into(done));
  net.run(seconds(2));
  cr_assert(done && *done);
  cr_assert(net.agreed(asr, 2, {0, 2}));
  cr_assert_eq(net.nodes[1]->generation(asr), 0U);
  net.nmm->remove_member(asr, net.nodes[0]->node_id, into(done));
  cr_assert(done->error().code == Errc::wrong_state, "one member alone is no relationship");
}

Test(membership, a_deleted_relationship_is_gone_everywhere) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  std::optional<Status> done;
  net.nmm->delete_asr(asr, into(done));
  cr_assert_eq(net.nmm->asrs().at(0).phase, "retiring");
  net.run(seconds(2));
  cr_assert(done && *done);
  cr_assert(net.nmm->asrs().empty());
  for (const auto& node : net.nodes) cr_assert_eq(node->generation(asr), 0U);
  net.nmm->delete_asr(asr, into(done));
  cr_assert(done->error().code == Errc::not_found);
  cr_assert_not(net.store.records.contains(Registry::asr_record_name(asr)));
}

Test(membership, mistakes_of_callers_are_refused) {
  NmmNet net(2);
  std::optional<Result<std::uint64_t>> made;
  const auto take = [&made](Result<std::uint64_t> r) { made = std::move(r); };
  (void)net.prepare(*net.nodes[0], true);
  net.nodes[0]->node_id = net.nmm->nodes().at(0).node_id;
  net.nmm->create_asr("x", {net.nodes[0]->node_id}, {}, take);
  cr_assert(made->error().code == Errc::not_activated);
  net.nmm->create_asr("x", {12345}, {}, take);
  cr_assert(made->error().code == Errc::not_found);
  net.activate_all();
  net.nmm->create_asr("x", {net.nodes[0]->node_id, net.nodes[1]->node_id}, {{"no_such", "1"}}, take);
  cr_assert(made->error().code == Errc::invalid_argument);
  const auto asr = net.create(2);
  net.nmm->create_asr("asr-1", {net.nodes[0]->node_id, net.nodes[1]->node_id}, {}, take);
  cr_assert(made->error().code == Errc::already_exists);
  std::optional<Status> done;
  net.nmm->add_member(asr, net.nodes[0]->node_id, into(done));
  cr_assert(done->error().code == Errc::already_exists);
  net.nmm->add_member(1, net.nodes[0]->node_id, into(done));
  cr_assert(done->error().code == Errc::not_found);
  net.nmm->create_root_secret(into(done));
  cr_assert(done->error().code == Errc::already_exists);
  net.nmm->quarantine(1, into(done));
  cr_assert(done->error().code == Errc::not_found);
}

namespace {

std::uint32_t interval_of(const FakeNode& node, protocol::AsrId asr_id) {
  return node.view(asr_id)->description.policy.rekey_interval_s;
}

}  // namespace

Test(membership, a_policy_reaches_all_members_without_a_new_generation) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  std::optional<Status> done;
  net.nmm->set_policy(asr, {{"rekey_interval_s", "600"}}, into(done));
  net.run(seconds(2));
  cr_assert(done && *done);
  for (const auto& node : net.nodes) cr_assert_eq(interval_of(*node, asr), 600U);
  cr_assert(net.agreed(asr, 1, {0, 1, 2}));
  cr_assert_eq(net.nmm->asrs().at(0).policy.at("rekey_interval_s"), "600");
  cr_assert_not_null(net.event("policy-set"));
  done.reset();
  net.nmm->set_policy(asr, {{"rekey_interval_s", "600"}}, into(done));
  cr_assert(done && *done, "nothing changes, nobody is told");
  cr_assert_eq(net.nodes[0]->policies, 1U);
}

Test(membership, a_policy_is_told_a_straggler_after_a_restart_of_the_nmm) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.nodes[2]->down = true;
  std::optional<Status> done;
  net.nmm->set_policy(asr, {{"rekey_interval_s", "600"}}, into(done));
  net.run(seconds(40));
  cr_assert(done && !*done);
  cr_assert_eq(done->error().code, Errc::timed_out);
  cr_assert_neq(done->error().detail.find("n2"), std::string::npos);
  cr_assert_eq(done->error().detail.find("n1"), std::string::npos);
  cr_assert_eq(interval_of(*net.nodes[1], asr), 600U);
  net.restart_nmm();
  net.nodes[2]->down = false;
  net.run(seconds(30));
  cr_assert_eq(interval_of(*net.nodes[2], asr), 600U);
  const std::size_t told = net.nodes[2]->policies;
  net.restart_nmm();
  net.run(seconds(30));
  cr_assert_eq(net.nodes[2]->policies, told, "it is over");
}

Test(membership, what_all_members_must_change_together_comes_with_a_generation) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  std::optional<Status> done;
  net.nmm->set_policy(asr, {{"topology", "star"}, {"rekey_interval_s", "600"}}, into(done));
  net.run(seconds(2));
  cr_assert(done && *done);
  cr_assert(net.agreed(asr, 2, {0, 1, 2}));
  cr_assert(net.nodes[1]->view(asr)->description.policy.topology == protocol::Topology::star);
  cr_assert_eq(interval_of(*net.nodes[1], asr), 600U);
  cr_assert_eq(net.nodes[1]->policies, 0U);
}

Test(membership, a_policy_during_a_rollout_reaches_also_who_installs_late) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.nodes[2]->down = true;
  std::optional<Status> rekeyed;
  net.nmm->rekey(asr, into(rekeyed));
  net.run(seconds(1));
  std::optional<Status> done;
  net.nmm->set_policy(asr, {{"rekey_interval_s", "600"}}, into(done));
  net.run(seconds(1));
  net.nodes[2]->down = false;
  net.run(seconds(20));
  cr_assert(net.agreed(asr, 3, {0, 1, 2}));
  for (const auto& node : net.nodes) cr_assert_eq(interval_of(*node, asr), 600U);
}

Test(membership, a_policy_that_is_not_one_changes_nothing) {
  NmmNet net(2);
  net.activate_all();
  const auto asr = net.create(2);
  const auto refused = [&](protocol::AsrId id, const std::map<std::string, std::string>& fields) {
    std::optional<Status> done;
    net.nmm->set_policy(id, fields, into(done));
    return done && !*done ? done->error().code : Errc::internal;
  };
  cr_assert_eq(refused(asr, {{"rekey_interval_s", "0"}}), Errc::invalid_argument);
  cr_assert_eq(refused(asr, {{"no_such_field", "1"}}), Errc::invalid_argument);
  cr_assert_eq(refused(asr, {{"topology", "multicast"}}), Errc::invalid_argument);
  cr_assert_eq(refused(4711, {{"nnrt_ms", "500"}}), Errc::not_found);
  net.store.failing = true;
  cr_assert_eq(refused(asr, {{"nnrt_ms", "500"}}), Errc::disk_full);
  net.store.failing = false;
  cr_assert_eq(net.nmm->asrs().at(0).policy.at("nnrt_ms"), "2000");
  net.run(seconds(5));
  cr_assert_eq(net.nodes[0]->policies, 0U);
}
