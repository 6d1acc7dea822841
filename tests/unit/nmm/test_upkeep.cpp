#include "daemon/nmm/upkeep.h"

#include <criterion/criterion.h>

#include <chrono>

#include "daemon/nmm/record_codec.h"
#include "tests/unit/nmm/nmm_net.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TestSuite(upkeep, .init = quiet);

Test(upkeep, blinded_and_then_silent_is_unobserved) {
  NmmNet net(3);
  net.activate_all();
  net.nodes[0]->report_breach("sensor-impaired", 4);
  net.run(minutes(3));
  const EventRecord* said = net.event("node-unobserved");
  cr_assert_not_null(said);
  cr_assert_eq(said->fields.at("node"), "n0");
  cr_assert_eq(net.state_of("n0"), "silent", "it costs the node nothing by itself");
}

Test(upkeep, silence_is_said_and_evicts_nobody) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.run(minutes(3));
  cr_assert_eq(net.state_of("n0"), "silent");
  cr_assert_not_null(net.event("node-silent"));
  cr_assert(net.agreed(asr, 1, {0, 1, 2}));
  net.nodes[0]->heartbeat();
  net.run(seconds(1));
  cr_assert_eq(net.state_of("n0"), "active");
  cr_assert_not_null(net.event("node-heard-again"));
}

Test(upkeep, generations_are_renewed_when_they_are_old) {
  NmmNet net(2);
  net.activate_all();
  const auto asr = net.create(2, {{"renew_interval_s", "3600"}});
  net.run(minutes(50));
  cr_assert(net.agreed(asr, 1, {0, 1}));
  net.run(minutes(11));
  cr_assert(net.agreed(asr, 2, {0, 1}));
}

Test(upkeep, the_provisioning_relationship_is_rekeyed_after_an_install) {
  NmmNet net(2);
  net.activate_all();
  const auto before = net.nodes[0]->view(net.nodes[0]->provisioning)->epoch;
  const auto asr = net.create(2);
  cr_assert_neq(asr, 0U);
  net.run(seconds(10));
  cr_assert_gt(net.nodes[0]->view(net.nodes[0]->provisioning)->epoch, before);
  std::optional<Status> done;
  net.nmm->rekey(asr, into(done));
  net.run(seconds(10));
  cr_assert(done && *done, "requests go on under the new key");
}

Test(upkeep, rotations_that_are_due_survive_a_restart) {
  NmmNet net(3);
  net.activate_all();
  net.run(seconds(10));
  std::vector<std::uint32_t> before;
  for (const auto& node : net.nodes) before.push_back(node->view(node->provisioning)->epoch);
  protocol::AsrId asr = 0;
  net.nmm->create_asr("group", {net.nodes[0]->node_id, net.nodes[1]->node_id, net.nodes[2]->node_id}, {},
                      [&asr](const Result<std::uint64_t>& made) { asr = made.value_or(0); });
  net.run(milliseconds(100));  // all have installed it, and no rotation is due yet
  cr_assert(asr != 0 && net.agreed(asr, 1, {0, 1, 2}));
  net.nodes[2]->down = true;
  net.restart_nmm();
  net.run(seconds(10));
  for (const std::size_t i : {0U, 1U}) {
    cr_assert_gt(net.nodes[i]->view(net.nodes[i]->provisioning)->epoch, before[i]);
  }
  cr_assert(decode_asr_record(net.store.records.at(Registry::asr_record_name(asr)))->rotation_pending,
            "one is still away");
  net.nodes[2]->down = false;
  net.run(minutes(2));
  cr_assert_gt(net.nodes[2]->view(net.nodes[2]->provisioning)->epoch, before[2]);
  cr_assert_not(decode_asr_record(net.store.records.at(Registry::asr_record_name(asr)))->rotation_pending);
}
