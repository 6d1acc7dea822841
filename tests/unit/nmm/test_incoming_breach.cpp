#include <criterion/criterion.h>

#include <chrono>

#include "tests/unit/nmm/nmm_net.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::seconds;

TestSuite(incoming_breach, .init = quiet);

Test(incoming_breach, whom_nobody_knows_cannot_be_accused) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.nodes[0]->report_breach("cloned-identity", 2, {{"node_id", "nobody"}});
  net.run(seconds(1));
  cr_assert(net.nodes[0]->last_response->status == protocol::ControlStatus::malformed);
  cr_assert(net.agreed(asr, 1, {0, 1, 2}));
}

Test(incoming_breach, a_class_of_another_version_is_told_without_what_could_hurt_a_terminal) {
  NmmNet net(3);
  net.activate_all();
  net.nodes[0]->report_breach("of\tanother-version", 0);
  net.run(seconds(1));
  const EventRecord* told = net.event("breach-unknown");
  cr_assert_not_null(told);
  cr_assert_eq(told->fields.at("class"), "?");
}
