#include "daemon/node/start.h"

#include <criterion/criterion.h>
#include <poll.h>

#include "tests/support/fake_loop.h"
#include "tests/support/node_bench.h"

using namespace akm;
using namespace akm::test;

Test(start, the_backend_is_said_with_its_reason) {
  FakeLoop loop;
  cr_assert_eq(node::backend_text(loop), "epoll");
  loop.reason = "io_uring_disabled is 2";
  cr_assert_eq(node::backend_text(loop), "epoll (io_uring_disabled is 2)");
  loop.backend_is = io::Backend::io_uring;
  cr_assert_eq(node::backend_text(loop), "io_uring");
}

Test(start, the_role_is_wired_to_the_loop) {
  NodeBench bench;
  FakeLoop loop;
  cr_assert(node::watch_role(loop, *bench.node).has_value());
  cr_assert_eq(loop.deadlines.size(), 2);
  cr_assert_eq(loop.watches.size(), 1);
  bench.probes.records.push_back(foreign_key_read(1));
  loop.watches.begin()->second.handler(POLLIN);
  cr_assert(bench.event("breach-detected") != nullptr);
  loop.deadlines[1].second();
  cr_assert_eq(bench.probes.checks, 1);
}

Test(start, a_node_without_probes_is_wired_too) {
  NodeBench bench(false);
  FakeLoop loop;
  cr_assert(node::watch_role(loop, *bench.node).has_value());
  cr_assert(loop.watches.empty());
}

Test(start, a_missing_hardware_identity_is_a_finding) {
  node::Hardware none([]() -> Result<keyring::HardwareSources> { return fail(Errc::no_hardware_source); });
  service::OpenedState state;
  node::look_at_hardware(none, state);
  cr_assert_eq(state.findings.size(), 1);
}

Test(start, a_tpm_that_is_still_waited_for_is_not_asked_for_the_hardware) {
  int asked = 0;
  node::Hardware hardware([&asked]() -> Result<keyring::HardwareSources> {
    ++asked;
    return keyring::HardwareSources{{"tpm-ek-name", "000b"}};
  });
  service::OpenedState state;
  state.failure = Error{Errc::sealed_unavailable, "slow"};
  state.later.opening = *service::Awaited<service::Opened>::start([] { return service::Opened{}; });
  node::look_at_hardware(hardware, state);
  cr_assert_eq(asked, 0);
  cr_assert_eq(hardware.identity().error().detail, "slow");
}

Test(start, hardware_that_the_start_has_collected_is_not_collected_again) {
  node::Hardware hardware([]() -> Result<keyring::HardwareSources> { return fail(Errc::tpm_failed); });
  service::OpenedState state;
  state.hardware = keyring::HardwareSources{{"tpm-ek-name", "000b"}};
  node::look_at_hardware(hardware, state);
  cr_assert(state.findings.empty());
  cr_assert_eq(hardware.identity()->sources.size(), 1U);
}

Test(start, what_happens_goes_to_the_bus) {
  NodeBench bench;
  FakeLoop loop;
  service::ServiceManager manager(loop);
  node::DataService data(loop, 0, bench.settings.data);
  int states = 0;
  std::vector<std::string> told;
  node::observe(*bench.node, bench.events,
                {.status_changed = [&states] { ++states; },
                 .asr_changed = {},
                 .event = [&told](const EventRecord& event) { told.push_back(event.name); }},
                manager, data);
  cr_assert(bench.provision().has_value());
  cr_assert_gt(states, 0);
  cr_assert(std::ranges::find(told, "provisioned") != told.end());
}

Test(start, drives_are_noticed_unless_that_is_switched_off) {
  NodeBench bench;
  FakeLoop loop;
  bench.settings.data.folder.clear();
  node::DataService data(loop, 0, bench.settings.data);
  bench.settings.drives_watch = false;
  bench.settings.watch.enabled = false;
  service::AsideWorker worker(loop);
  const auto none = node::start(*bench.node, data, loop, bench.settings, worker, nullptr);
  cr_assert(none.drives == nullptr);
  cr_assert(loop.watches.empty());
  bench.settings.drives_watch = true;
  const auto watch = node::start(*bench.node, data, loop, bench.settings, worker, nullptr);
  cr_assert(watch.drives != nullptr);
  cr_assert_eq(loop.watches.size(), 2);
}

Test(start, the_machine_is_watched_unless_that_is_switched_off) {
  NodeBench bench;
  FakeLoop loop;
  bench.settings.data.folder.clear();
  bench.settings.drives_watch = false;
  node::DataService data(loop, 0, bench.settings.data);
  service::AsideWorker worker(loop);
  const auto watch = node::start(*bench.node, data, loop, bench.settings, worker, nullptr);
  cr_assert_gt(watch.machine->watches().size(), 10);
  bench.settings.watch.enabled = false;
  const auto none = node::start(*bench.node, data, loop, bench.settings, worker, nullptr);
  cr_assert_eq(none.machine->watches().size(), 0);
}
