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

TestSuite(nmm, .init = quiet);

Test(nmm, keeps_its_nodes_and_relationships_over_a_restart) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  net.restart_nmm();
  cr_assert_eq(net.nmm->nodes().size(), 3U);
  cr_assert_eq(net.nmm->status().state, "ready");
  std::optional<Status> done;
  net.nmm->rekey(asr, into(done));
  net.run(seconds(3));
  cr_assert(done && *done);
  cr_assert(net.agreed(asr, 2, {0, 1, 2}));
}

Test(nmm, says_what_it_is) {
  NmmNet net(2);
  const StatusSnapshot status = net.nmm->status();
  cr_assert_eq(status.state, "ready");
  cr_assert_neq(status.nmm_id, 0U);
  cr_assert_neq(status.version, "");
  cr_assert(status.counters.contains("frames_received"));
}

Test(nmm, without_a_loop_nothing_is_provisioned_directly) {
  NmmNet net(1);
  std::optional<Errc> code;
  net.nmm->provision_direct({"x", {}, {}}, "unix:path=/nowhere",
                            [&code](const Result<std::uint64_t>& result) { code = result.error().code; });
  cr_assert(code == Errc::not_supported);
}

Test(nmm, the_observer_hears_of_changes) {
  NmmNet net(2);
  std::size_t statuses = 0;
  std::size_t changes = 0;
  std::vector<std::string> names;
  Observer observer;
  observer.status_changed = [&statuses] { ++statuses; };
  observer.asr_changed = [&changes](std::uint64_t) { ++changes; };
  observer.event = [&names](const EventRecord& event) { names.push_back(event.name); };
  net.nmm->set_observer(std::move(observer));
  net.activate_all();
  cr_assert_neq(net.create(2), 0U);
  cr_assert_gt(statuses, 0U);
  cr_assert_gt(changes, 0U);
  cr_assert(std::ranges::find(names, "node-activated") != names.end());
  cr_assert(std::ranges::find(names, "generation-installed") != names.end());
}
