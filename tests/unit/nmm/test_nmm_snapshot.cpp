#include "daemon/nmm/nmm.h"

#include <criterion/criterion.h>

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
