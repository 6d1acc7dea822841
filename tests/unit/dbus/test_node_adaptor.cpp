#include "dbus/node_adaptor.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "dbus/limits.h"
#include "dbus/sealed_memfd.h"
#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

namespace {

constexpr const char* kName = "org.akm.Node1";
constexpr const char* kPath = "/org/akm/Node1";

UniqueFd sealed(const char* text) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(text);
  return std::move(*dbus::make_sealed_memfd("test", {first, strlen(text)}));
}

#define NEED_ROOT() \
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here")

}  // namespace

Test(node_adaptor, properties_answer_from_the_snapshot) {
  NodeService service;
  TestClient client(service.daemon.address());
  const Answer state = client.get(service.servers(), kName, kPath, kName, "State");
  const char* text = nullptr;
  cr_assert_gt(sd_bus_message_read(state.message, "v", "s", &text), 0);
  cr_assert_str_eq(text, "active");
  service.port.snapshot.state = node::NodeState::quarantined;
  const Answer again = client.get(service.servers(), kName, kPath, kName, "State");
  cr_assert_gt(sd_bus_message_read(again.message, "v", "s", &text), 0);
  cr_assert_str_eq(text, "quarantined");
  const Answer all = client.call(service.servers(), kName, kPath, "org.freedesktop.DBus.Properties", "GetAll",
                                 [](sd_bus_message* m) { (void)sd_bus_message_append(m, "s", kName); });
  cr_assert(all.error.empty(), "%s", all.text.c_str());
  const Answer wrong = client.get(service.servers(), kName, kPath, kName, "Secret");
  cr_assert_not(wrong.error.empty());
}

Test(node_adaptor, hostile_text_in_a_snapshot_does_not_break_the_answer) {
  NodeService service;
  TestClient client(service.daemon.address());
  service.port.snapshot.findings = {std::string("comm \xff\xfe\n\x1b[2J"), std::string(100'000, 'x')};
  const Answer answer = client.get(service.servers(), kName, kPath, kName, "Findings");
  cr_assert(answer.error.empty());
  const char* first = nullptr;
  const char* second = nullptr;
  cr_assert_gt(sd_bus_message_read(answer.message, "v", "as", 2, &first, &second), 0);
  cr_assert_str_eq(first, "comm ????[2J");
  cr_assert_eq(strlen(second), dbus::limits::kTextBytes);
}

Test(node_adaptor, hardware_identity) {
  NEED_ROOT();
  NodeService service;
  TestClient client(service.daemon.address());
  const Answer answer = client.call_akm(service.servers(), "Node1", "GetHardwareIdentity");
  cr_assert(answer.error.empty(), "%s", answer.error.c_str());
  const void* value = nullptr;
  std::size_t size = 0;
  cr_assert_geq(sd_bus_message_read_array(answer.message, 'y', &value, &size), 0);
  cr_assert_eq(size, 32);
  const char* name = nullptr;
  const char* source = nullptr;
  const char* name2 = nullptr;
  const char* source2 = nullptr;
  cr_assert_gt(sd_bus_message_read(answer.message, "a(ss)", 2, &name, &source, &name2, &source2), 0);
  cr_assert_str_eq(name2, "dmi");
  service.port.deferred.result = fail(Errc::no_hardware_source, "tpm-ek");
  const Answer failed = client.call_akm(service.servers(), "Node1", "GetHardwareIdentity");
  cr_assert_eq(failed.error, "org.akm.Error.NoHardwareSource");
}

Test(node_adaptor, provisioning_passes_the_descriptor_and_not_the_bytes) {
  NEED_ROOT();
  NodeService service;
  TestClient client(service.daemon.address());
  const UniqueFd code = sealed("CODE-1234");
  const Answer answer = client.call_akm(
      service.servers(), "Node1", "ProvisionFromFile",
      [&](sd_bus_message* m) { (void)sd_bus_message_append(m, "sh", "/media/usb/A.akmbundle", code.get()); });
  cr_assert(answer.error.empty(), "%s %s", answer.error.c_str(), answer.text.c_str());
  cr_assert_eq(service.port.calls.size(), 1);
  cr_assert_str_eq(service.port.calls[0].c_str(), "provision_from_file /media/usb/A.akmbundle");
  const auto content = dbus::read_sealed_memfd(service.port.received.get(), 256);
  cr_assert(content.has_value());
  cr_assert_eq(content->size(), 9);
  cr_assert_eq(memcmp(content->reveal().data(), "CODE-1234", 9), 0);

  const Answer direct =
      client.call_akm(service.servers(), "Node1", "ProvisionFromMemfd",
                      [&](sd_bus_message* m) { (void)sd_bus_message_append(m, "h", code.get()); });
  cr_assert(direct.error.empty());
  cr_assert_str_eq(service.port.calls[1].c_str(), "provision_from_memfd");

  const auto from_token = [&](const char* uri) {
    return client
        .call_akm(service.servers(), "Node1", "ProvisionFromToken",
                  [&](sd_bus_message* m) { (void)sd_bus_message_append(m, "sh", uri, code.get()); })
        .error;
  };
  cr_assert_eq(from_token("pkcs11:token=one"), "");
  cr_assert_str_eq(service.port.calls[2].c_str(), "provision_from_token pkcs11:token=one");
  cr_assert_eq(dbus::read_sealed_memfd(service.port.received.get(), 64)->size(), 9);
  cr_assert_eq(from_token("pkcs11:token=one?pin-value=1"), "org.akm.Error.InvalidArgument");
  cr_assert_eq(service.port.calls.size(), 3);
}

Test(node_adaptor, hostile_arguments_never_reach_the_role) {
  NEED_ROOT();
  NodeService service;
  TestClient client(service.daemon.address());
  const UniqueFd code = sealed("CODE");
  const std::string too_long = "/" + std::string(4096, 'a');
  for (const char* path : {"relative", "", "/a/../b", "/a//b", "/./a", "/a\nb", too_long.c_str()}) {
    const Answer answer =
        client.call_akm(service.servers(), "Node1", "ProvisionFromFile",
                        [&](sd_bus_message* m) { (void)sd_bus_message_append(m, "sh", path, code.get()); });
    cr_assert(answer.error == "org.akm.Error.InvalidArgument" || answer.error == "org.akm.Error.TooLarge",
              "%s: %s", path, answer.error.c_str());
  }
  // Not a memfd, not sealed, empty, too large.
  const UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd open_memfd(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  cr_assert_eq(write(open_memfd.get(), "CODE", 4), 4);
  const UniqueFd empty = std::move(*dbus::make_sealed_memfd("test", {}));
  const UniqueFd large = sealed(std::string(300, 'x').c_str());
  for (const int fd : {file.get(), open_memfd.get(), empty.get(), large.get()}) {
    const Answer answer =
        client.call_akm(service.servers(), "Node1", "ProvisionFromFile",
                        [&](sd_bus_message* m) { (void)sd_bus_message_append(m, "sh", "/a", fd); });
    cr_assert(answer.error == "org.akm.Error.InvalidArgument" || answer.error == "org.akm.Error.TooLarge",
              "%s", answer.error.c_str());
  }
  const Answer types =
      client.call_akm(service.servers(), "Node1", "ProvisionFromFile",
                      [&](sd_bus_message* m) { (void)sd_bus_message_append(m, "ss", "/a", "CODE"); });
  cr_assert_eq(types.error, "org.freedesktop.DBus.Error.InvalidArgs");
  cr_assert(service.port.calls.empty());
}

Test(node_adaptor, errors_of_the_role_arrive_by_name_and_sentence) {
  NEED_ROOT();
  NodeService service;
  TestClient client(service.daemon.address());
  service.port.deferred.result = fail(Errc::timed_out, "NMM north");
  const Answer answer = client.call_akm(service.servers(), "Node1", "Activate");
  cr_assert_eq(answer.error, "org.akm.Error.TimedOut");
  cr_assert_str_eq(answer.text.c_str(), "There was no answer in time: NMM north");
  service.port.deferred.result = {};
  cr_assert(client.call_akm(service.servers(), "Node1", "Activate").error.empty());
  cr_assert(client.call_akm(service.servers(), "Node1", "Zeroize").error.empty());
  cr_assert_str_eq(service.port.calls.back().c_str(), "zeroize");
}

Test(node_adaptor, status_changes_are_signalled_once_and_only_what_changed) {
  NodeService service;
  TestClient client(service.daemon.address());
  std::vector<sd_bus_message*> signals;
  client.record("type='signal',member='PropertiesChanged'", signals, service.servers());
  service.port.snapshot.state = node::NodeState::quarantined;
  service.port.snapshot.counters["frames_received"] = 99;  // no signal for counters
  service.observer.status_changed();
  service.observer.status_changed();
  std::vector<Pumped> all = service.servers();
  all.push_back(client.pumped());
  cr_assert(pump(all, [&] { return !signals.empty(); }));
  (void)client.call_akm(service.servers(), "Node1", "NoSuchMethod");  // whatever else was sent is here now
  cr_assert_eq(signals.size(), 1);
  const char* interface = nullptr;
  const char* name = nullptr;
  const char* value = nullptr;
  cr_assert_gt(sd_bus_message_read(signals[0], "sa{sv}", &interface, 1, &name, "s", &value), 0);
  cr_assert_str_eq(name, "State");
  cr_assert_str_eq(value, "quarantined");
  sd_bus_message_unref(signals[0]);
}

Test(node_adaptor, events_are_signals) {
  NodeService service;
  TestClient client(service.daemon.address());
  std::vector<sd_bus_message*> signals;
  client.record("type='signal',interface='org.akm.Node1',member='Event'", signals, service.servers());
  service.observer.event({"breach-detected", 2, 1234, 0x1, {{"comm", "keyctl\x1b"}}});
  std::vector<Pumped> all = service.servers();
  all.push_back(client.pumped());
  cr_assert(pump(all, [&] { return !signals.empty(); }));
  const char* name = nullptr;
  const char* key = nullptr;
  const char* value = nullptr;
  std::uint8_t severity = 0;
  std::int64_t at = 0;
  std::uint64_t asr = 0;
  cr_assert_gt(sd_bus_message_read(signals[0], "syxta{ss}", &name, &severity, &at, &asr, 1, &key, &value), 0);
  cr_assert_str_eq(name, "breach-detected");
  cr_assert_eq(severity, 2);
  cr_assert_eq(at, 1234);
  cr_assert_eq(asr, 1);
  cr_assert_str_eq(value, "keyctl?");
  sd_bus_message_unref(signals[0]);
}

Test(node_adaptor, a_caller_that_is_gone_before_the_reply_harms_nobody) {
  NEED_ROOT();
  NodeService service;
  service.port.deferred.on = true;
  {
    TestClient client(service.daemon.address());
    sd_bus_message* message = nullptr;
    cr_assert_geq(sd_bus_message_new_method_call(client.get(), &message, kName, kPath, kName, "Activate"), 0);
    cr_assert_geq(sd_bus_send(client.get(), message, nullptr), 0);
    sd_bus_message_unref(message);
    std::vector<Pumped> all = service.servers();
    all.push_back(client.pumped());
    cr_assert(pump(all, [&] { return !service.port.deferred.waiting.empty(); }));
  }
  service.port.deferred.waiting[0]({});
  service.port.deferred.waiting.clear();
  service.port.deferred.on = false;
  TestClient other(service.daemon.address());
  cr_assert(other.call_akm(service.servers(), "Node1", "Activate").error.empty());
}

Test(node_adaptor, tpm_identity_and_a_bundle_for_the_tpm) {
  NEED_ROOT();
  NodeService service;
  TestClient client(service.daemon.address());
  const Answer identity = client.call_akm(service.servers(), "Node1", "GetTpmIdentity");
  cr_assert(identity.error.empty(), "%s", identity.error.c_str());
  const void* bytes = nullptr;
  std::size_t size = 0;
  const char* fingerprint = nullptr;
  cr_assert_geq(sd_bus_message_read_array(identity.message, 'y', &bytes, &size), 0);
  cr_assert_eq(size, 3);
  cr_assert_gt(sd_bus_message_read(identity.message, "s", &fingerprint), 0);
  cr_assert_eq(strlen(fingerprint), 64);
  const auto provision = [&](const char* path, std::size_t digest = 0) {
    return client
        .call_akm(
            service.servers(), "Node1", "ProvisionFromTpm",
            [&](sd_bus_message* m) { dbus::Writer(m).text(path).bytes(std::vector<std::uint8_t>(digest)); })
        .error;
  };
  cr_assert_eq(provision("/media/usb/A.akmbundle"), "org.akm.Error.NotSupported");
  service.port.tpm_bundle = true;
  cr_assert_eq(provision("/media/usb/A.akmbundle"), "");
  cr_assert_str_eq(service.port.calls.back().c_str(), "provision_from_tpm_file /media/usb/A.akmbundle 0");
  cr_assert_eq(provision("/media/usb/A.akmbundle", 32), "");
  cr_assert_eq(provision("/media/usb/A.akmbundle", 31), "org.akm.Error.InvalidArgument");
  cr_assert_eq(provision("/media/../A"), "org.akm.Error.InvalidArgument");
}
