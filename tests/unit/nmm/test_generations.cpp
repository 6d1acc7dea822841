#include "daemon/nmm/generations.h"

#include <criterion/criterion.h>

#include <chrono>

#include "tests/unit/nmm/nmm_net.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TestSuite(generations, .init = quiet);

Test(generations, a_breach_pre_empts_what_is_under_way) {
  NmmNet net(5);
  net.activate_all();
  const auto asr = net.create(4);
  net.nodes[0]->down = true;  // the next generation cannot complete
  std::optional<Status> added;
  net.nmm->add_member(asr, net.nodes[4]->node_id, into(added));
  net.run(milliseconds(200));
  cr_assert_not(added.has_value());
  net.nodes[2]->report_breach("process-access", 1);
  net.run(milliseconds(200));
  cr_assert(net.agreed(asr, 3, {1, 3, 4}), "nobody waits for the member that is down");
  net.nodes[0]->down = false;
  net.run(seconds(40));
  cr_assert(net.agreed(asr, 3, {0, 1, 3, 4}));
  cr_assert(added.has_value(), "the waiting caller got its answer");
}

Test(generations, a_late_member_is_named_and_comes_in_by_itself) {
  NmmNet net(3);
  net.activate_all();
  net.nodes[1]->down = true;
  std::optional<Result<std::uint64_t>> result;
  net.nmm->create_asr("x", {net.nodes[0]->node_id, net.nodes[1]->node_id, net.nodes[2]->node_id}, {},
                      [&result](Result<std::uint64_t> r) { result = std::move(r); });
  net.run(seconds(29));
  cr_assert_not(result.has_value());
  net.run(seconds(10));
  cr_assert(result.has_value());
  cr_assert(result->error().code == Errc::timed_out);
  cr_assert_neq(result->error().detail.find("n1"), std::string::npos);
  const auto asr = net.nmm->asrs().at(0).id;
  cr_assert(net.agreed(asr, 1, {0, 2}));
  cr_assert_eq(credentials_kept(net.store), 1U, "somebody still has to get them");
  net.nodes[1]->down = false;
  net.run(minutes(2));
  cr_assert(net.agreed(asr, 1, {0, 1, 2}));
  cr_assert_eq(credentials_kept(net.store), 0U);
}

Test(generations, a_member_that_was_away_too_long_gets_a_new_generation_with_all) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3, {{"rekey_interval_s", "60"}});
  net.nodes[1]->down = true;
  net.nmm->rekey(asr, [](const Status&) {});
  net.run(minutes(5));
  cr_assert(net.agreed(asr, 2, {0, 2}));
  cr_assert_eq(credentials_kept(net.store), 0U, "of no use any more: erased");
  net.nodes[1]->down = false;
  net.nodes[1]->heartbeat();
  net.run(seconds(5));
  net.nodes[1]->heartbeat();
  net.run(seconds(20));
  cr_assert_geq(net.nodes[1]->generation(asr), 3U);
  cr_assert_eq(net.nodes[0]->generation(asr), net.nodes[1]->generation(asr));
}

Test(generations, finishes_what_a_restart_interrupted) {
  NmmNet net(3);
  net.activate_all();
  net.nodes[1]->down = true;
  net.nmm->create_asr("x", {net.nodes[0]->node_id, net.nodes[1]->node_id, net.nodes[2]->node_id}, {},
                      [](const Result<std::uint64_t>&) {});
  net.run(seconds(1));
  net.restart_nmm();
  net.nodes[1]->down = false;
  net.run(seconds(20));
  const auto asr = net.nmm->asrs().at(0).id;
  cr_assert(net.agreed(asr, 1, {0, 1, 2}));
  cr_assert_eq(net.nmm->asrs()[0].phase, "complete");
  cr_assert_eq(credentials_kept(net.store), 0U);
}

Test(generations, a_store_that_fails_changes_nothing) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.store.failing = true;
  std::optional<Status> done;
  net.nmm->rekey(asr, into(done));
  cr_assert(done->error().code == Errc::disk_full);
  net.run(seconds(1));
  cr_assert(net.agreed(asr, 1, {0, 1, 2}));
  net.store.failing = false;
  done.reset();
  net.nmm->rekey(asr, into(done));
  net.run(seconds(2));
  cr_assert(done && *done);
}
