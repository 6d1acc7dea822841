// daemon/root/root.cpp: an NMM's credentials over its bus, from a real Root to a real NMM.
#include <criterion/criterion.h>

#include "daemon/service/bus_wiring.h"
#include "dbus/nmm_adaptor.h"
#include "tests/support/dbus_fixture.h"
#include "tests/unit/root/root_net.h"

using namespace akm;
using namespace akm::root;
using namespace akm::root::test;

namespace {

/// The second machine's bus. Both daemons are on one loop; the network between them has simulated time.
struct Bench {
  std::unique_ptr<io::Loop> loop = std::move(*io::Loop::create(io::BackendChoice::epoll));
  RootNet net{2, 0};
  akm::test::PrivateBus daemon;
  dbus::Bus bus{{daemon.address(), dbus::kNmmName}};
  dbus::Authorizer authorizer{bus, {"root", false}};
  dbus::NmmAdaptor adaptor{bus, authorizer, *net.nmms[0]->nmm};
  service::BusWiring wiring{*loop, bus};
  std::optional<Result<std::uint64_t>> result;

  Bench() {
    net.loop = loop.get();
    net.restart_root();
    loop->at_end_of_turn([this] { net.run(std::chrono::milliseconds(1)); });
    loop->at_end_of_turn([this] {
      if (result) loop->stop();
    });
  }

  Result<std::uint64_t> run(std::function<void()> start) {
    result.reset();
    cr_assert(wiring.start(std::move(start)));
    const Instant end = boottime_now() + std::chrono::seconds(10);
    loop->add_deadline([end] { return end; }, [this] { loop->stop(); });
    cr_assert(loop->run());
    cr_assert(result.has_value(), "no answer");
    return *result;
  }
  Result<std::uint64_t> provision() {
    return run([this] {
      ControlPort::Prepare what;
      what.nmm_name = "north";
      net.root->provision_nmm(what, daemon.address(), "uid 0", [this](auto r) { result = std::move(r); });
    });
  }
  [[nodiscard]] NmmMachine& machine() { return *net.nmms[0]; }
};

}  // namespace

Test(root_direct, an_nmm_gets_its_credentials_and_joins) {
  Bench bench;
  const auto nmm_id = bench.provision();
  cr_assert(nmm_id.has_value(), "%s", nmm_id ? "" : nmm_id.error().message().c_str());
  bench.net.run(std::chrono::seconds(3));
  cr_assert_eq(bench.machine().status().root_state, "reached");
  cr_assert_eq(bench.machine().status().nmm_id, *nmm_id);
  const auto value = bench.machine().hardware_value();
  cr_assert(std::ranges::equal(bench.net.root->book().find(*nmm_id)->hardware_value, value),
            "bound to what it said of itself");
}

Test(root_direct, one_that_stands_alone_is_adopted_under_its_id) {
  Bench bench;
  bench.machine().nmm->create_root_secret([](const Status&) {});
  const auto own = bench.machine().status().nmm_id;
  cr_assert_eq(*bench.provision(), own);
  bench.net.run(std::chrono::seconds(3));
  cr_assert(bench.net.event("nmm-adopted") != nullptr);
}

Test(root_direct, a_machine_takes_a_lost_ones_place) {
  Bench bench;
  NmmMachine& lost = *bench.net.nmms[1];
  cr_assert(lost.join(*bench.net.prepare(lost)).has_value());
  bench.net.run(std::chrono::seconds(3));
  lost.down = true;
  const auto nmm_id = lost.status().nmm_id;
  const auto replaced = bench.run([&] {
    bench.net.root->replace_nmm_direct(nmm_id, bench.daemon.address(), "uid 0",
                                       [&](auto r) { bench.result = std::move(r); });
  });
  cr_assert_eq(*replaced, nmm_id);
  bench.net.run(std::chrono::seconds(5));
  cr_assert_eq(bench.machine().status().nmm_id, nmm_id);
  cr_assert_eq(bench.net.root->book().find(nmm_id)->fenced.size(), 1U);
}

Test(root_direct, what_cannot_be_is_refused_before_a_serial_is_used_up) {
  Bench bench;
  bench.machine().nmm->create_root_secret([](const Status&) {});
  NmmMachine& other = *bench.net.nmms[1];
  cr_assert(other.join(*bench.net.prepare(other)).has_value());
  bench.net.run(std::chrono::seconds(3));
  const auto before = bench.net.root->book().all();
  const auto replaced = bench.run([&] {
    bench.net.root->replace_nmm_direct(other.status().nmm_id, bench.daemon.address(), "uid 0",
                                       [&](auto r) { bench.result = std::move(r); });
  });
  cr_assert_eq(replaced.error().code, Errc::refused_by_policy, "that machine has nodes of its own");
  cr_assert(bench.net.root->book().all() == before);
}
