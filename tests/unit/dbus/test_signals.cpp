#include "dbus/signals.h"

#include <criterion/criterion.h>

#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

Test(signals, without_a_bus_or_a_change_nothing_happens) {
  dbus::emit_changed(nullptr, "/a", "a.b", {"X"});
  dbus::emit_event(nullptr, "/a", "a.b", {});
  NodeService service;
  TestClient client(service.daemon.address());
  std::vector<sd_bus_message*> signals;
  client.record("type='signal',path='/org/akm/Node1'", signals, service.servers());
  dbus::emit_changed(service.bus.handle(), dbus::kNodePath, dbus::kNodeName, {});
  (void)client.call_akm(service.servers(), "Node1", "NoSuchMethod");
  cr_assert(signals.empty());
}

Test(signals, hostile_event_fields_are_sent_clean) {
  NodeService service;
  TestClient client(service.daemon.address());
  std::vector<sd_bus_message*> signals;
  client.record("type='signal',member='Event'", signals, service.servers());
  dbus::emit_event(service.bus.handle(), dbus::kNodePath, dbus::kNodeName,
                   {"x", 1, 2, 3, {{"comm", "\xff\xfe"}, {"path", std::string(100'000, 'a')}}});
  std::vector<Pumped> all = service.servers();
  all.push_back(client.pumped());
  cr_assert(pump(all, [&] { return !signals.empty(); }));
  for (sd_bus_message* message : signals) sd_bus_message_unref(message);
}

Test(signals, an_exported_key_that_changed) {
  NodeService service;
  TestClient client(service.daemon.address());
  std::vector<sd_bus_message*> signals;
  client.record("type='signal',interface='org.akm.Asr1'", signals, service.servers());
  const ExportedKey key{
      .name = "vpn", .context = {}, .type = "user", .serial = 815, .generation = 3, .epoch = 17, .users = {}};
  dbus::emit_key_changed(nullptr, "/a", "org.akm.Asr1", key, false);
  for (const bool revoked : {false, true})
    dbus::emit_key_changed(service.bus.handle(), "/a", "org.akm.Asr1", key, revoked);
  std::vector<Pumped> all = service.servers();
  all.push_back(client.pumped());
  cr_assert(pump(all, [&] { return signals.size() == 2; }));
  cr_assert_str_eq(sd_bus_message_get_member(signals[0]), "KeyRenewed");
  cr_assert_str_eq(sd_bus_message_get_signature(signals[0], 1), "siuu");
  cr_assert_str_eq(sd_bus_message_get_member(signals[1]), "KeyRevoked");
  dbus::Reader in(signals[1]);
  cr_assert_eq(*in.text(64), "vpn");
  cr_assert_eq(*in.i32(), 815);
  for (sd_bus_message* message : signals) sd_bus_message_unref(message);
}
