#include "dbus/asr_adaptor.h"

#include <criterion/criterion.h>

#include "dbus/snapshot_reader.h"
#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

namespace {

constexpr const char* kName = "org.akm.Node1";
constexpr const char* kAlpha = "/org/akm/Node1/asr/0000000000000001";

std::vector<AsrSnapshot> managed(NodeService& service, TestClient& client) {
  const Answer answer = client.call(service.servers(), kName, "/org/akm/Node1",
                                    "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
  cr_assert(answer.error.empty(), "%s", answer.text.c_str());
  dbus::Reader in(answer.message);
  auto asrs = dbus::read_managed_asrs(in);
  cr_assert(asrs.has_value());
  return std::move(*asrs);
}

struct Watched {
  Watched(NodeService& service, TestClient& client, const char* match) : service_(service), client_(client) {
    client.record(match, signals, service.servers());
  }
  ~Watched() {
    for (sd_bus_message* message : signals) sd_bus_message_unref(message);
  }
  void wait(std::size_t count) {
    std::vector<Pumped> all = service_.servers();
    all.push_back(client_.pumped());
    cr_assert(pump(all, [&] { return signals.size() >= count; }), "%zu of %zu signals", signals.size(),
              count);
  }
  std::vector<sd_bus_message*> signals;

 private:
  NodeService& service_;
  TestClient& client_;
};

}  // namespace

Test(asr_adaptor, all_is_shown_as_the_role_has_it) {
  NodeService service;
  TestClient client(service.daemon.address());
  service.port.relationships.push_back(sample_asr(0xfedcba9876543210, "beta"));
  const auto asrs = managed(service, client);
  cr_assert_eq(asrs.size(), 2);
  const AsrSnapshot& sent = service.port.relationships[0];
  const AsrSnapshot& got = asrs[0];
  cr_assert_eq(got.id, sent.id);
  cr_assert_eq(got.label, sent.label);
  cr_assert_eq(got.kind, sent.kind);
  cr_assert_eq(got.suite, sent.suite);
  cr_assert_eq(got.generation, sent.generation);
  cr_assert_eq(got.epoch, sent.epoch);
  cr_assert_eq(got.phase, sent.phase);
  cr_assert_eq(got.key_check, sent.key_check);
  cr_assert_eq(got.roster_hash, sent.roster_hash);
  cr_assert_eq(got.own_index, sent.own_index);
  cr_assert(got.members == sent.members);
  cr_assert(got.policy == sent.policy);
  cr_assert_eq(got.now_ns, sent.now_ns);
  cr_assert_eq(got.since_ns, sent.since_ns);
  cr_assert_eq(got.phase_since_ns, sent.phase_since_ns);
  cr_assert_eq(got.chain, sent.chain);
  cr_assert_eq(got.target, sent.target);
  cr_assert_eq(got.installed_generation, sent.installed_generation);
  cr_assert_eq(got.waits_for, sent.waits_for);
  cr_assert_eq(got.waits_until_ns, sent.waits_until_ns);
  cr_assert(got.stragglers == sent.stragglers);
  cr_assert(got.counters == sent.counters);
  cr_assert(got.exported_keys == sent.exported_keys);
  cr_assert_eq(asrs[1].id, 0xfedcba9876543210);
}

Test(asr_adaptor, objects_that_are_not_there_are_not_there) {
  NodeService service;
  TestClient client(service.daemon.address());
  for (const char* path : {"/org/akm/Node1/asr/0000000000000002", "/org/akm/Node1/asr/1",
                           "/org/akm/Node1/asr/000000000000000A", "/org/akm/Node1/asr",
                           "/org/akm/Node1/asr/0000000000000001/x", "/org/akm/Nmm1/asr/0000000000000001"}) {
    const Answer answer = client.get(service.servers(), kName, path, "org.akm.Asr1", "Epoch");
    cr_assert_not(answer.error.empty(), "%s", path);
  }
}

Test(asr_adaptor, changes_signal_only_what_changed) {
  NodeService service;
  TestClient client(service.daemon.address());
  Watched watched(service, client, "type='signal',member='PropertiesChanged'");
  service.port.relationships[0].epoch = 18;
  service.port.relationships[0].key_check = "ffffffff";
  service.observer.asr_changed(1);
  service.observer.asr_changed(1);
  watched.wait(1);
  (void)client.call_akm(service.servers(), "Node1", "NoSuchMethod");  // all that was sent before is here now
  cr_assert_eq(watched.signals.size(), 1);
  cr_assert_str_eq(sd_bus_message_get_path(watched.signals[0]), kAlpha);
  dbus::Reader in(watched.signals[0]);
  cr_assert_eq(*in.text(64), "org.akm.Asr1");
  const auto changed = dbus::read_asr(in);
  cr_assert(changed.has_value());
  cr_assert_eq(changed->epoch, 18);
  cr_assert_eq(changed->key_check, "ffffffff");
  cr_assert_eq(changed->label, "");  // not in the signal
  service.observer.asr_changed(1);   // nothing is different: no signal
  service.port.relationships[0].members[0].last_heard_ns += 1;
  service.port.relationships[0].now_ns += 1;
  service.port.relationships[0].waits_for = "the next attempt";
  service.port.relationships[0].counters["data_sent"] = 8;
  service.observer.asr_changed(1);  // what moves all the time is read, not signalled
  (void)client.call_akm(service.servers(), "Node1", "NoSuchMethod");
  service.observer.asr_changed(99);
  (void)client.call_akm(service.servers(), "Node1", "NoSuchMethod");
  (void)client.call_akm(service.servers(), "Node1", "NoSuchMethod");
  cr_assert_eq(watched.signals.size(), 1);
}

Test(asr_adaptor, coming_and_going_is_signalled_by_the_object_manager) {
  NodeService service;
  TestClient client(service.daemon.address());
  Watched watched(service, client, "type='signal',interface='org.freedesktop.DBus.ObjectManager'");
  service.port.relationships.push_back(sample_asr(2, "beta"));
  service.observer.asr_changed(2);
  watched.wait(1);
  service.port.relationships.pop_back();
  service.observer.asr_changed(2);
  watched.wait(2);
  const char* path = nullptr;
  cr_assert_str_eq(sd_bus_message_get_member(watched.signals[0]), "InterfacesAdded");
  cr_assert_gt(sd_bus_message_read(watched.signals[0], "o", &path), 0);
  cr_assert_str_eq(path, "/org/akm/Node1/asr/0000000000000002");
  cr_assert_str_eq(sd_bus_message_get_member(watched.signals[1]), "InterfacesRemoved");
  cr_assert_gt(sd_bus_message_read(watched.signals[1], "o", &path), 0);
  cr_assert_str_eq(path, "/org/akm/Node1/asr/0000000000000002");
  dbus::Reader in(watched.signals[1]);
  const auto interfaces = in.texts(16, 128);
  cr_assert(std::find(interfaces->begin(), interfaces->end(), "org.akm.Asr1") != interfaces->end());
}

Test(asr_adaptor, rekey) {
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here");
  NodeService service;
  TestClient client(service.daemon.address());
  cr_assert(client.call(service.servers(), kName, kAlpha, "org.akm.Asr1", "Rekey").error.empty());
  cr_assert_str_eq(service.port.calls.back().c_str(), "rekey 1");
  service.port.deferred.result = fail(Errc::wrong_state);
  cr_assert_eq(client.call(service.servers(), kName, kAlpha, "org.akm.Asr1", "Rekey").error,
               "org.akm.Error.WrongState");
  const Answer nowhere =
      client.call(service.servers(), kName, "/org/akm/Node1/asr/0000000000000009", "org.akm.Asr1", "Rekey");
  cr_assert_not(nowhere.error.empty());
  cr_assert_eq(service.port.calls.size(), 2);
}

namespace {

Answer export_key(NodeService& service, TestClient& client, const std::string& name,
                  std::size_t context_bytes, const char* path = kAlpha) {
  const std::vector<std::uint8_t> context(context_bytes, 0xab);
  return client.call(service.servers(), kName, path, "org.akm.Asr1", "ExportKey", [&](sd_bus_message* m) {
    (void)sd_bus_message_append(m, "s", name.c_str());
    (void)sd_bus_message_append_array(m, 'y', context.data(), context.size());
    (void)sd_bus_message_append(m, "si", "user", 77);
  });
}

}  // namespace

Test(asr_adaptor, the_role_hears_who_wants_a_key_and_decides) {
  NodeService service({"akm", true});  // whom polkit or the group would let does not matter
  TestClient client(service.daemon.address());
  const Answer answer = export_key(service, client, "vpn", 2);
  cr_assert(answer.error.empty(), "%s", answer.text.c_str());
  dbus::Reader in(answer.message);
  cr_assert_eq(*in.i32(), 4711);
  const std::string who = std::to_string(getuid());
  cr_assert_eq(service.port.calls.back(), "export_key 1 vpn 2 user 77 for " + who);
  cr_assert_eq(service.port.caller_pid, getpid());
  const Answer released = client.call(service.servers(), kName, kAlpha, "org.akm.Asr1", "ReleaseKey",
                                      [](sd_bus_message* m) { (void)sd_bus_message_append(m, "i", 4711); });
  cr_assert(released.error.empty(), "%s", released.text.c_str());
  cr_assert_eq(service.port.calls.back(), "release_key 1 4711 for " + who);
  service.port.deferred.result = fail(Errc::not_authorized, "the consumer is another user");
  cr_assert_eq(export_key(service, client, "vpn", 0).error, "org.akm.Error.NotAuthorized");
}

Test(asr_adaptor, what_cannot_be_asked_does_not_reach_the_role) {
  NodeService service;
  TestClient client(service.daemon.address());
  cr_assert_eq(export_key(service, client, "", 0).error, "org.akm.Error.InvalidArgument");
  cr_assert_eq(export_key(service, client, std::string(65, 'a'), 0).error, "org.akm.Error.InvalidArgument");
  cr_assert_eq(export_key(service, client, "vpn", 65).error, "org.akm.Error.TooLarge");
  cr_assert_not(export_key(service, client, "vpn", 0, "/org/akm/Node1/asr/0000000000000002").error.empty());
  cr_assert(service.port.calls.empty());
}

Test(asr_adaptor, an_nmm_has_no_keys_to_give) {
  NmmService service;
  TestClient client(service.daemon.address());
  const Answer answer =
      client.call(service.servers(), "org.akm.Nmm1", "/org/akm/Nmm1/asr/0000000000000001", "org.akm.Asr1",
                  "ReleaseKey", [](sd_bus_message* m) { (void)sd_bus_message_append(m, "i", 4711); });
  cr_assert_eq(answer.error, "org.akm.Error.NotSupported");
}

Test(asr_adaptor, renewed_and_revoked_keys_are_signalled_at_their_relationship) {
  NodeService service;
  TestClient client(service.daemon.address());
  Watched watched(service, client, "type='signal',interface='org.akm.Asr1'");
  const ExportedKey key{
      .name = "vpn", .context = {}, .type = "user", .serial = 815, .generation = 3, .epoch = 18, .users = {}};
  service.observer.key_changed(1, key, false);
  service.observer.key_changed(1, key, true);
  watched.wait(2);
  cr_assert_str_eq(sd_bus_message_get_path(watched.signals[0]), kAlpha);
  cr_assert_str_eq(sd_bus_message_get_member(watched.signals[0]), "KeyRenewed");
  cr_assert_str_eq(sd_bus_message_get_member(watched.signals[1]), "KeyRevoked");
}
