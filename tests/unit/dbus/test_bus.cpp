#include "dbus/bus.h"

#include <criterion/criterion.h>

#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

Test(bus, an_address_that_cannot_be_one_is_an_error_at_start) {
  for (const char* address :
       {"tcp:host=127.0.0.1", "unixexec:path=/bin/sh", "unix:path=relative", "nonsense"}) {
    dbus::Bus bus({address, "org.akm.Test"});
    const Status status = bus.start();
    cr_assert(!status && status.error().code == Errc::invalid_argument, "%s", address);
  }
}

Test(bus, before_start_there_is_nothing_to_wait_for) {
  dbus::Bus bus({"unix:path=/nonexistent", "org.akm.Test"});
  cr_assert_eq(bus.fd(), -1);
  cr_assert(!bus.timeout().has_value());
  bus.process();
  cr_assert_not(bus.ready());
}

Test(bus, a_bus_that_comes_later_is_found) {
  PrivateBus daemon;
  daemon.stop();
  dbus::Bus bus({daemon.address(), "org.akm.Test"});
  cr_assert(bus.start().has_value());
  cr_assert_not(bus.ready());
  cr_assert(bus.timeout().has_value());  // the next attempt
  daemon.start();
  cr_assert(pump({pumped(bus)}, [&] { return bus.ready(); }));
}

Test(bus, a_restart_of_the_bus_is_survived_with_all_objects) {
  NodeService service;
  std::vector<int> fds;
  service.bus.on_fd_change([&](int fd) { fds.push_back(fd); });
  service.daemon.stop();
  cr_assert(pump(service.servers(), [&] { return !service.bus.ready(); }));
  cr_assert_eq(service.bus.fd(), -1);
  cr_assert_eq(fds.at(0), -1);
  service.observer.status_changed();  // while away: no harm
  service.observer.event({"x", 6, 0, 0, {}});
  service.daemon.start();
  cr_assert(pump(service.servers(), [&] { return service.bus.ready(); }));
  cr_assert_geq(fds.back(), 0);
  cr_assert_eq(service.bus.reconnects(), 1);
  TestClient client(service.daemon.address());
  const Answer state =
      client.get(service.servers(), "org.akm.Node1", "/org/akm/Node1", "org.akm.Node1", "State");
  cr_assert(state.error.empty(), "%s", state.error.c_str());
  const Answer asr = client.get(service.servers(), "org.akm.Node1", "/org/akm/Node1/asr/0000000000000001",
                                "org.akm.Asr1", "Epoch");
  cr_assert(asr.error.empty(), "%s", asr.error.c_str());
}

Test(bus, a_call_held_over_a_restart_is_answered_into_the_void) {
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here");
  NodeService service;
  service.port.deferred.on = true;
  {
    TestClient client(service.daemon.address());
    cr_assert_geq(sd_bus_call_method_async(
                      client.get(), nullptr, "org.akm.Node1", "/org/akm/Node1", "org.akm.Node1", "Activate",
                      [](sd_bus_message*, void*, sd_bus_error*) { return 0; }, nullptr, ""),
                  0);
    std::vector<Pumped> all = service.servers();
    all.push_back(client.pumped());
    cr_assert(pump(all, [&] { return !service.port.deferred.waiting.empty(); }));
  }
  service.daemon.stop();
  cr_assert(pump(service.servers(), [&] { return !service.bus.ready(); }));
  service.port.deferred.waiting[0](fail(Errc::timed_out));
  service.port.deferred.waiting.clear();
  service.daemon.start();
  cr_assert(pump(service.servers(), [&] { return service.bus.ready(); }));
}

Test(bus, a_name_that_is_taken_is_tried_again) {
  PrivateBus daemon;
  auto first = std::make_unique<dbus::Bus>(dbus::Bus::Options{daemon.address(), "org.akm.Test"});
  cr_assert(first->start().has_value());
  cr_assert(pump({pumped(*first)}, [&] { return first->ready(); }));
  dbus::Bus second({daemon.address(), "org.akm.Test"});
  cr_assert(second.start().has_value());
  cr_assert(pump({pumped(*first), pumped(second)}, [&] { return second.fd() < 0; }));
  cr_assert_not(second.ready());
  first.reset();
  cr_assert(pump({pumped(second)}, [&] { return second.ready(); }));
}

Test(bus, a_failing_export_is_a_lost_connection) {
  PrivateBus daemon;
  dbus::Bus bus({daemon.address(), "org.akm.Test"});
  int attempts = 0;
  bus.add_export([&](sd_bus*) -> Status {
    if (++attempts == 1) return fail(Errc::internal, "once");
    return {};
  });
  cr_assert(bus.start().has_value());
  cr_assert_eq(bus.fd(), -1);
  cr_assert(pump({pumped(bus)}, [&] { return bus.ready(); }));
  cr_assert_eq(attempts, 2);
}
