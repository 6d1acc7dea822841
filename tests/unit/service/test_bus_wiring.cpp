#include "daemon/service/bus_wiring.h"

#include <criterion/criterion.h>
#include <poll.h>

#include "tests/support/dbus_fixture.h"
#include "tests/support/fake_loop.h"

using namespace akm;

Test(bus_wiring, a_bus_that_is_not_there_is_waited_for_by_a_deadline) {
  test::FakeLoop loop;
  dbus::Bus bus({.address = "unix:path=/nonexistent/bus", .name = "org.akm.Test1"});
  service::BusWiring wiring(loop, bus);
  bool ready = false;
  cr_assert(wiring.start([&] { ready = true; }).has_value());
  cr_assert(loop.watches.empty());
  cr_assert_eq(loop.deadlines.size(), 1);
  cr_assert(loop.deadlines[0].first().has_value(), "it tries again");
  loop.end_turn();
  cr_assert_not(ready);
}

Test(bus_wiring, an_address_that_cannot_be_one_is_an_error) {
  test::FakeLoop loop;
  dbus::Bus bus({.address = "tcp:host=localhost", .name = "org.akm.Test1"});
  service::BusWiring wiring(loop, bus);
  cr_assert_not(wiring.start({}).has_value());
}

Test(bus_wiring, the_name_is_owned_and_a_lost_bus_is_let_go) {
  test::PrivateBus daemon;
  test::FakeLoop loop;
  dbus::Bus bus({.address = daemon.address(), .name = "org.akm.Test1"});
  service::BusWiring wiring(loop, bus);
  int ready = 0;
  cr_assert(wiring.start([&] { ++ready; }).has_value());
  const auto turn = [&loop] {
    std::vector<pollfd> fds;
    for (const auto& [id, watch] : loop.watches)
      fds.push_back({watch.fd, static_cast<short>(watch.events), 0});
    (void)::poll(fds.data(), fds.size(), 10);
    const auto watches = loop.watches;
    for (const auto& [id, watch] : watches) watch.handler(POLLIN);
    const auto due = loop.deadlines[0].first();
    if (due && *due <= boottime_now()) loop.deadlines[0].second();
    loop.end_turn();
  };
  for (int i = 0; i < 500 && ready == 0; ++i) turn();
  cr_assert_eq(ready, 1);
  cr_assert_eq(loop.watches.size(), 1);
  cr_assert_eq(loop.watches.begin()->second.fd, bus.fd());
  daemon.stop();
  for (int i = 0; i < 500 && bus.fd() >= 0; ++i) turn();
  cr_assert(loop.watches.empty(), "a closed descriptor stays watched");
  cr_assert_eq(ready, 1, "ready is told once");
}
