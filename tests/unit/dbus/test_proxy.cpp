#include "dbus/proxy.h"

#include <criterion/criterion.h>

#include <atomic>
#include <thread>

#include "dbus/sealed_memfd.h"
#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::dbus;
using namespace akm::test;

namespace {

// The proxy blocks: it runs in a thread of its own while the services are pumped here.
template <typename S>
void with_proxy(S& service, const std::function<void(Proxy&)>& body) {
  std::atomic<bool> ended = false;
  std::thread client([&] {
    auto proxy = Proxy::connect(service.daemon.address(), std::chrono::seconds(9));
    if (proxy) body(*proxy);
    ended = true;
  });
  const bool in_time = pump(service.servers(), [&] { return ended.load(); });
  client.join();
  cr_assert(in_time);
}

}  // namespace

Test(proxy, no_bus) {
  cr_assert_eq(Proxy::connect("unix:path=/nonexistent", std::chrono::seconds(1)).error().code,
               Errc::unreachable);
  cr_assert_eq(Proxy::connect("tcp:host=::1", std::chrono::seconds(1)).error().code, Errc::invalid_argument);
}

Test(proxy, node_snapshots_come_back_whole) {
  NodeService service;
  Result<node::StatusSnapshot> got = fail(Errc::internal);
  Result<bool> node_there = false;
  Result<bool> nmm_there = true;
  Result<nmm::StatusSnapshot> nmm = fail(Errc::internal);
  with_proxy(service, [&](Proxy& proxy) {
    got = proxy.node_status();
    node_there = proxy.is_there(dbus::Service::node);
    nmm_there = proxy.is_there(dbus::Service::nmm);
    nmm = proxy.nmm_status();
  });
  const node::StatusSnapshot& sent = service.port.snapshot;
  cr_assert(got.has_value());
  cr_assert(got->state == sent.state);
  cr_assert_eq(got->node_id, sent.node_id);
  cr_assert_eq(got->node_name, sent.node_name);
  cr_assert_eq(got->nmm_id, sent.nmm_id);
  cr_assert_eq(got->nmm_name, sent.nmm_name);
  cr_assert_eq(got->version, sent.version);
  cr_assert_eq(got->key_storage, sent.key_storage);
  cr_assert_eq(got->hardware_protected, sent.hardware_protected);
  cr_assert_eq(got->incarnation, sent.incarnation);
  cr_assert_eq(got->io_backend, sent.io_backend);
  cr_assert_eq(got->listen, sent.listen);
  cr_assert_eq(got->keyring, sent.keyring);
  cr_assert(got->findings == sent.findings);
  cr_assert(got->probes == sent.probes);
  cr_assert(got->counters == sent.counters);
  cr_assert(*node_there);
  cr_assert_not(*nmm_there);
  cr_assert_eq(nmm.error().code, Errc::unreachable);
}

Test(proxy, nmm_calls) {
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here");
  NmmService service;
  Result<nmm::StatusSnapshot> status = fail(Errc::internal);
  Result<std::vector<nmm::NodeSnapshot>> nodes = fail(Errc::internal);
  Result<std::uint64_t> made = fail(Errc::internal);
  Status refused;
  Result<std::vector<AsrSnapshot>> asrs = fail(Errc::internal);
  Status rekeyed = fail(Errc::internal);
  Status set = fail(Errc::internal);
  Result<Proxy::Attested> attested = fail(Errc::internal);
  with_proxy(service, [&](Proxy& proxy) {
    status = proxy.nmm_status();
    nodes = proxy.nodes();
    made = proxy.create_asr("beta", {1}, {});
    refused = proxy.quarantine(0);
    asrs = proxy.asrs(dbus::Service::nmm);
    set = proxy.set_policy(1, {{"nnrt_ms", "500"}});
    attested = proxy.attest(0xa1, false);
    rekeyed = proxy.rekey(dbus::Service::nmm, 1);
  });
  cr_assert(set.has_value());
  cr_assert(attested.has_value());
  cr_assert_eq(attested->outcome, "same");
  cr_assert_eq(attested->pcr_digest, "aa" + std::string(62, '0'));
  cr_assert_eq(attested->log_digest, std::string(64, '0'));
  cr_assert_eq(status->findings.size(), 1);
  cr_assert_eq(status->state, "ready");
  cr_assert_eq(nodes->size(), 2);
  cr_assert_eq(*made, 2);
  cr_assert_eq(refused.error().code, Errc::invalid_argument);
  cr_assert_eq(asrs->at(0).label, "alpha");
  cr_assert(rekeyed.has_value());
  cr_assert_str_eq(service.port.calls.back().c_str(), "rekey 1");
}

Test(proxy, follow_gives_events_of_the_service_only) {
  NodeService service;
  // Somebody else sends a signal that looks the same: it is not believed.
  TestClient liar(service.daemon.address());
  std::atomic<bool> listening = false;
  std::vector<std::string> names;
  std::thread client([&] {
    auto proxy = Proxy::connect(service.daemon.address(), std::chrono::seconds(9));
    (void)proxy->follow([&] { listening = true; },
                        [&](dbus::Service, const EventRecord& event) {
                          names.push_back(event.name);
                          return event.name != "last";
                        });
    listening = false;
  });
  std::vector<Pumped> all = service.servers();
  all.push_back(liar.pumped());
  cr_assert(pump(all, [&] { return listening.load(); }));
  sd_bus_message* message = nullptr;
  cr_assert_geq(sd_bus_message_new_signal(liar.get(), &message, "/org/akm/Node1", "org.akm.Node1", "Event"),
                0);
  cr_assert_geq(
      sd_bus_message_append(message, "syxta{ss}", "forged", 1, std::int64_t{1}, std::uint64_t{1}, 0), 0);
  cr_assert_geq(sd_bus_send(liar.get(), message, nullptr), 0);
  sd_bus_message_unref(message);
  const Answer sync =
      liar.call(service.servers(), "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId");
  cr_assert(sync.error.empty());
  service.observer.event({"first", 6, 1, 0, {}});
  service.observer.event({"last", 6, 2, 0, {}});
  cr_assert(pump(all, [&] { return !listening.load(); }));
  client.join();
  cr_assert_eq(names.size(), 2);
  cr_assert_eq(names[0], "first");
}
