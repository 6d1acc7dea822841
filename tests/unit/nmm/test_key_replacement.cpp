#include "daemon/nmm/key_replacement.h"

#include <criterion/criterion.h>

#include <chrono>

#include "daemon/nmm/record_codec.h"
#include "tests/unit/nmm/watched_net.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::milliseconds;
using std::chrono::seconds;

TestSuite(key_replacement, .init = quiet);

namespace {

void breach(NmmNet& net) {
  policy::Detection out;
  out.detection = policy::DetectionClass::foreign_code;
  out.boottime_ns = net.now.ns;
  net.nmm->guard().judge(out);
}

/// The NMM has so many relationships of the two nodes, which are like the one given.
void multiply(NmmNet& net, protocol::AsrId asr, std::size_t count) {
  const auto bytes = net.store.records.at(Registry::asr_record_name(asr));
  AsrRecord record = *decode_asr_record(bytes);
  for (std::size_t i = 1; i < count; ++i) {
    record.description.id = asr + i;
    record.description.label = "copy-" + std::to_string(i);
    net.store.records[Registry::asr_record_name(record.description.id)] = encode_asr_record(record);
  }
  net.restart_nmm();
}

}  // namespace

Test(key_replacement, a_node_that_is_away_holds_up_nobody_for_long) {
  WatchedNet net(3);
  net.activate_all();
  const auto asr = net.create(2);
  net.nodes[2]->down = true;
  breach(net);
  net.run(seconds(5));
  cr_assert(net.agreed(asr, 1, {0, 1}), "it still waits");
  net.run(seconds(8));
  cr_assert(net.agreed(asr, 2, {0, 1}));
  cr_assert_eq(net.event("machine-keys-replaced")->fields.at("rekeyed"), "2");
  cr_assert_eq(net.event("machine-keys-replaced")->fields.at("nodes"), "3");
}

Test(key_replacement, a_node_that_was_away_gets_nothing_under_the_session_key_that_was_exposed) {
  WatchedNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  const auto epoch = net.nodes[2]->view(net.nodes[2]->provisioning)->epoch;
  net.nodes[2]->down = true;
  breach(net);
  net.run(seconds(15));
  net.nodes[2]->down = false;
  net.nodes[2]->heartbeat();
  for (int left = 20'000; left > 0 && net.nodes[2]->view(asr)->description.generation < 2; --left)
    net.run(milliseconds(10));
  cr_assert_eq(net.nodes[2]->view(asr)->description.generation, 2);
  cr_assert_gt(net.nodes[2]->view(net.nodes[2]->provisioning)->epoch, epoch, "that came first");
}

Test(key_replacement, that_a_restart_cuts_short_begins_anew) {
  WatchedNet net(3);
  net.activate_all();
  const auto asr = net.create(2);
  net.nodes[2]->down = true;
  breach(net);
  net.run(seconds(5));
  net.restart_nmm();
  net.run(seconds(30));
  cr_assert(net.agreed(asr, 2, {0, 1}));
  net.restart_nmm();
  net.run(seconds(30));
  cr_assert(net.agreed(asr, 2, {0, 1}), "once");
}

Test(key_replacement, several_at_once_are_one_and_later_ones_one_more) {
  WatchedNet net(2);
  net.activate_all();
  const auto asr = net.create(2);
  for (int i = 0; i < 5; ++i) {
    breach(net);
    net.run(milliseconds(500));
  }
  net.run(seconds(10));
  cr_assert(net.agreed(asr, 2, {0, 1}));
  net.run(seconds(60));
  cr_assert(net.agreed(asr, 3, {0, 1}), "what came after the first one began is answered too");
  net.run(seconds(120));
  cr_assert(net.agreed(asr, 3, {0, 1}));
}

Test(key_replacement, the_limit_on_rekeys_holds) {
  NmmSettings settings;
  settings.recovery.rekeys_per_window = 1;
  WatchedNet net(2, std::move(settings));
  net.activate_all();
  const auto asr = net.create(2);
  breach(net);
  net.run(seconds(61));
  breach(net);
  net.run(seconds(20));
  cr_assert(net.agreed(asr, 2, {0, 1}));
  cr_assert_eq(net.event("machine-keys-replaced")->fields.at("relationships"), "0");
}

Test(key_replacement, without_nodes_there_is_nothing_to_wait_for) {
  WatchedNet net(0);
  breach(net);
  cr_assert_eq(net.event("machine-keys-replaced")->fields.at("reason"), "there is no relationship");
}

Test(key_replacement, a_thousand_relationships_are_renewed_in_small_lots) {
  constexpr std::size_t kMany = 1000;
  WatchedNet net(2);
  net.activate_all();
  const auto asr = net.create(2);
  for (const auto& node : net.nodes) node->down = true;
  multiply(net, asr, kMany);
  cr_assert_eq(net.nmm->asrs().size(), kMany);
  breach(net);
  net.now = net.now + seconds(11);
  const std::size_t before = net.store.writings;
  std::size_t turns = 0;
  for (; net.event("machine-keys-replaced") == nullptr && turns < 100; ++turns) {
    const std::size_t written = net.store.writings;
    net.nmm->deadline_reached();
    cr_assert_leq(net.store.writings - written, 4, "in one turn of the loop");
  }
  cr_assert_geq(turns, 10);
  cr_assert_leq(net.store.writings - before, 40, "not one for each relationship");
  cr_assert_eq(net.event("machine-keys-replaced")->fields.at("relationships"), std::to_string(kMany));
  for (const auto& one : net.nmm->asrs()) cr_assert_eq(one.generation, 2);
}

Test(key_replacement, a_restart_between_two_lots_begins_anew) {
  WatchedNet net(2);
  net.activate_all();
  const auto asr = net.create(2);
  for (const auto& node : net.nodes) node->down = true;
  multiply(net, asr, 100);
  breach(net);
  net.now = net.now + seconds(11);
  net.nmm->deadline_reached();
  cr_assert_null(net.event("machine-keys-replaced"), "the first lot alone");
  net.restart_nmm();
  net.run(seconds(15));
  cr_assert_eq(net.event("machine-keys-replaced")->fields.at("relationships"), "100");
  for (const auto& one : net.nmm->asrs()) cr_assert_geq(one.generation, 2);
}
