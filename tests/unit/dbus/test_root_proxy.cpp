#include "dbus/root_proxy.h"

#include <criterion/criterion.h>

#include <atomic>
#include <thread>

#include "dbus/sealed_memfd.h"
#include "tests/unit/dbus/root_service.h"

using namespace akm;
using namespace akm::dbus;
using namespace akm::test;

namespace {

constexpr auto kPolicy = store::RecordKind::policy;

// The proxy blocks: it runs in a thread of its own while the service is pumped here.
void with_root(RootService& service, const std::function<void(RootProxy&)>& body) {
  std::atomic<bool> ended = false;
  std::thread client([&] {
    auto proxy = Proxy::connect(service.daemon.address(), std::chrono::seconds(9));
    if (proxy) {
      RootProxy root(*proxy);
      body(root);
    }
    ended = true;
  });
  const bool in_time = pump(service.servers(), [&] { return ended.load(); });
  client.join();
  cr_assert(in_time);
}

}  // namespace

Test(root_proxy, the_status_comes_back_whole) {
  RootService service;
  Result<root::StatusSnapshot> got = fail(Errc::internal);
  with_root(service, [&](RootProxy& root) { got = root.status(); });
  const root::StatusSnapshot& sent = service.port.snapshot;
  cr_assert(got.has_value());
  cr_assert_eq(got->state, sent.state);
  cr_assert_eq(got->root_id, sent.root_id);
  cr_assert_eq(got->name, sent.name);
  cr_assert_eq(got->version, sent.version);
  cr_assert_eq(got->key_storage, sent.key_storage);
  cr_assert_eq(got->hardware_protected, sent.hardware_protected);
  cr_assert_eq(got->incarnation, sent.incarnation);
  cr_assert_eq(got->io_backend, sent.io_backend);
  cr_assert_eq(got->listen, sent.listen);
  cr_assert_eq(got->database, sent.database);
  cr_assert_eq(got->revision, sent.revision);
  cr_assert(got->findings == sent.findings);
  cr_assert(got->counters == sent.counters);
}

Test(root_proxy, lists_come_back_whole) {
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here");
  RootService service;
  const FakeRoot& port = service.port;
  Result<std::vector<root::NmmSnapshot>> nmms = fail(Errc::internal);
  Result<std::vector<store::ConfigRecord>> records = fail(Errc::internal);
  Result<std::vector<store::Change>> history = fail(Errc::internal);
  Result<std::vector<store::FieldDifference>> differences = fail(Errc::internal);
  Result<std::vector<store::ReportRow>> reports = fail(Errc::internal);
  Result<std::vector<store::IncidentRow>> incidents = fail(Errc::internal);
  Result<store::ConfigRecord> record = fail(Errc::internal);
  with_root(service, [&](RootProxy& root) {
    nmms = root.nmms();
    records = root.records(kPolicy, 4);
    history = root.history(8);
    differences = root.diff(1, 2);
    reports = root.reports(store::RecordKind::node, 0x77, 1, 2);
    incidents = root.incidents(0x77, 2);
    record = root.get(kPolicy, 5);
  });
  cr_assert(nmms && nmms->size() == 1);
  cr_assert_eq((*nmms)[0].nmm_id, 0x77);
  cr_assert_eq((*nmms)[0].last_heard_ns, 1'000'000'000);
  cr_assert_eq((*nmms)[0].nodes, 20);
  cr_assert_eq((*nmms)[0].asrs, 3);
  cr_assert(records && *records == std::vector{port.record});
  cr_assert(history && *history == std::vector{port.change});
  cr_assert(differences && *differences == std::vector{port.difference});
  cr_assert(reports && *reports == std::vector{port.report});
  cr_assert(incidents && *incidents == std::vector{port.incident});
  cr_assert(record.has_value());
  cr_assert_eq(record->revision, 7);
  cr_assert(record->fields == port.record.fields);
  const std::vector<std::string> expected{"list policy 4",        "history 8",       "diff 1 2",
                                          "reports node 119 1 2", "incidents 119 2", "get policy 5"};
  cr_assert(port.calls == expected);
}

Test(root_proxy, changes_say_who_made_them) {
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here");
  RootService service;
  std::vector<std::uint64_t> numbers;
  with_root(service, [&](RootProxy& root) {
    const auto note = [&](const Result<std::uint64_t>& number) { numbers.push_back(number ? *number : 0); };
    note(root.set(kPolicy, 5, {{"nnrt_ms", "1000"}}, {}));
    note(root.set(kPolicy, 5, {{"nnrt_ms", ""}}, 0));
    note(root.remove(kPolicy, 5));
    note(root.rollback(3));
    note(
        root.provision_nmm({.nmm_name = "n", .hardware_value = {}, .nmm_endpoints = {}}, "unix:path=/run/n"));
    note(root.replace_nmm_direct(0x77, "unix:path=/run/n"));
    note(root.prune_history(4));
  });
  cr_assert(numbers == (std::vector<std::uint64_t>{13, 13, 14, 15, 0x77, 0x77, 3}));
  const std::vector<std::string> expected{"set policy 5 nnrt_ms=1000 by uid 0",
                                          "set policy 5 nnrt_ms= if 0 by uid 0",
                                          "remove policy 5 by uid 0",
                                          "rollback 3 by uid 0",
                                          "provision_nmm n unix:path=/run/n by uid 0",
                                          "replace_nmm_direct 119 unix:path=/run/n by uid 0",
                                          "prune 4 by uid 0"};
  cr_assert(service.port.calls == expected);
}

Test(root_proxy, a_bundle_comes_with_its_code) {
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here");
  RootService service;
  const std::array<std::uint8_t, 4> code{'C', 'O', 'D', 'E'};
  service.port.code = std::move(*make_sealed_memfd("test", code));
  Result<RootProxy::Prepared> prepared = fail(Errc::internal);
  Status refused;
  with_root(service, [&](RootProxy& root) {
    RootProxy::Prepare what;
    what.nmm_name = "north";
    what.nmm_id = 7;
    what.hardware_value.assign(32, 1);
    prepared = root.prepare_nmm(what, "/media/usb");
    service.port.result = fail(Errc::wrong_state, "no root secret");
    const auto again = root.replace_nmm(7, what.hardware_value, "/media/usb");
    refused = again ? Status() : Status(std::unexpected(again.error()));
  });
  cr_assert(prepared.has_value());
  cr_assert_eq(prepared->nmm_id, 0x77);
  cr_assert_eq(read_sealed_memfd(prepared->code.get(), 16)->size(), 4);
  cr_assert(refused.error().code == Errc::wrong_state);
  cr_assert_eq(service.port.calls.front(), "prepare_nmm north 7 32 /media/usb by uid 0");
}

Test(root_proxy, every_way_of_carrying_is_asked_for) {
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here");
  RootService service;
  const std::array<std::uint8_t, 4> pin{'1', '2', '3', '4'};
  const UniqueFd fd = std::move(*make_sealed_memfd("pin", pin));
  Result<RootProxy::PreparedOnToken> token = fail(Errc::internal);
  Result<DirectOffer> offer = fail(Errc::internal);
  Result<std::uint64_t> confirmed = fail(Errc::internal);
  with_root(service, [&](RootProxy& root) {
    RootProxy::Prepare what;
    what.nmm_name = "n";
    what.nmm_id = 7;
    what.hardware_value.assign(32, 1);
    token = root.prepare_nmm_on_token(what, "pkcs11:token=one", fd);
    what.replaces = 0x77;
    offer = root.begin_direct(what, "ssh:north");
    confirmed = root.confirm_direct(7, "AAAAA");
  });
  cr_assert(token && token->sealed);
  cr_assert_eq(token->token, "'carrier'");
  cr_assert_eq(*check_sealed_memfd(service.port.code.get(), 16), 4U);
  cr_assert(offer && offer->confirm);
  cr_assert_eq(offer->handle, 7U);
  cr_assert_eq(*confirmed, 0x77U);
  const std::vector<std::string> expected{"prepare_nmm_on_token n 7 0 pkcs11:token=one by uid 0",
                                          "begin_direct n 119 ssh:north by uid 0", "confirm_direct 7 AAAAA"};
  cr_assert(service.port.calls == expected);
}
