#include "dbus/nmm_adaptor.h"

#include <criterion/criterion.h>

#include "dbus/sealed_memfd.h"
#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

#define NEED_ROOT() \
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here")

namespace {

std::vector<std::uint8_t> value(std::size_t size) {
  return std::vector<std::uint8_t>(size, 0x42);
}

struct Bundle {
  std::string name = "C";
  std::vector<std::uint8_t> hardware_value = value(32);
  std::vector<std::string> endpoints = {"192.0.2.3:7400"};
  std::string directory = "/media/usb";
};

Answer prepare(NmmService& service, TestClient& client, const Bundle& bundle) {
  return client.call_akm(service.servers(), "Nmm1", "PrepareBundle", [&](sd_bus_message* m) {
    dbus::Writer out(m);
    out.text(bundle.name).bytes(bundle.hardware_value).texts(bundle.endpoints).text(bundle.directory);
    out.boolean(true);
  });
}

}  // namespace

Test(nmm_adaptor, properties) {
  NmmService service;
  TestClient client(service.daemon.address());
  const Answer all =
      client.call(service.servers(), "org.akm.Nmm1", "/org/akm/Nmm1", "org.freedesktop.DBus.Properties",
                  "GetAll", [](sd_bus_message* m) { (void)sd_bus_message_append(m, "s", "org.akm.Nmm1"); });
  cr_assert(all.error.empty(), "%s", all.text.c_str());
  service.port.snapshot.state = "sealed-unavailable";
  const Answer state =
      client.get(service.servers(), "org.akm.Nmm1", "/org/akm/Nmm1", "org.akm.Nmm1", "State");
  const char* text = nullptr;
  cr_assert_gt(sd_bus_message_read(state.message, "v", "s", &text), 0);
  cr_assert_str_eq(text, "sealed-unavailable");
}

Test(nmm_adaptor, prepare_bundle) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  const std::array<std::uint8_t, 4> code{'C', 'O', 'D', 'E'};
  service.port.code = std::move(*dbus::make_sealed_memfd("test", code));
  const Answer answer = prepare(service, client, {});
  cr_assert(answer.error.empty(), "%s %s", answer.error.c_str(), answer.text.c_str());
  std::uint64_t id = 0;
  const char* path = nullptr;
  int fd = -1;
  cr_assert_gt(sd_bus_message_read(answer.message, "tsh", &id, &path, &fd), 0);
  cr_assert_eq(id, 0xc3);
  cr_assert_str_eq(path, "/media/usb/C.akmbundle");
  cr_assert_eq(dbus::read_sealed_memfd(fd, 16)->size(), 4);
  cr_assert_eq(service.port.prepare.hardware_value.size(), 32);
  cr_assert_eq(service.port.calls.back(), "prepare_bundle C /media/usb by force");
  service.port.deferred.result = fail(Errc::wrong_state, "no root secret");
  cr_assert_eq(prepare(service, client, {}).error, "org.akm.Error.WrongState");
}

Test(nmm_adaptor, a_role_that_gives_no_descriptor_is_an_internal_error) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  cr_assert_eq(prepare(service, client, {}).error, "org.akm.Error.Internal");
}

Test(nmm_adaptor, hostile_bundle_arguments_never_reach_the_role) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  std::vector<Bundle> bad(9);
  bad[0].name = "../../etc/cron.d/x";
  bad[1].name = "";
  bad[2].name = std::string(65, 'x');
  bad[3].name = "a/b";
  bad[4].hardware_value = value(31);
  bad[5].endpoints = {"node-c.example:7400"};
  bad[6].endpoints = std::vector<std::string>(5, "192.0.2.3:7400");
  bad[7].directory = "usb";
  bad[8].directory = "/media/../etc";
  for (std::size_t i = 0; i < bad.size(); ++i) {
    const std::string error = prepare(service, client, bad[i]).error;
    cr_assert(error == "org.akm.Error.InvalidArgument" || error == "org.akm.Error.TooLarge", "case %zu: %s",
              i, error.c_str());
  }
  cr_assert(service.port.calls.empty());
}

Test(nmm_adaptor, provision_direct) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  const auto call = [&](const char* name, const char* address) {
    return client.call_akm(service.servers(), "Nmm1", "ProvisionDirect", [&](sd_bus_message* m) {
      dbus::Writer out(m);
      out.text(name).texts({"192.0.2.3:7400"}).text(address);
    });
  };
  const Answer done = call("C", "unix:path=/run/c/bus");
  std::uint64_t id = 0;
  cr_assert_gt(sd_bus_message_read(done.message, "t", &id), 0);
  cr_assert_eq(id, 0xc3);
  cr_assert_str_eq(service.port.calls.at(0).c_str(), "provision_direct C unix:path=/run/c/bus");
  // Which addresses there are is the role's policy: they come to it as they are.
  (void)call("C", "unix:path=/a;unixexec:path=/b");
  cr_assert_str_eq(service.port.calls.at(1).c_str(), "provision_direct C unix:path=/a;unixexec:path=/b");
}

Test(nmm_adaptor, direct_in_two_steps) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  const Answer begun = client.call_akm(service.servers(), "Nmm1", "BeginDirect", [&](sd_bus_message* m) {
    dbus::Writer out(m);
    out.text("C").texts({}).text("ssh:c.example");
  });
  cr_assert(begun.error.empty(), "%s", begun.error.c_str());
  cr_assert_str_eq(sd_bus_message_get_signature(begun.message, 1), "tsaya(ss)b");
  cr_assert_str_eq(service.port.calls.at(0).c_str(), "begin_direct C ssh:c.example");
  const Answer done = client.call_akm(service.servers(), "Nmm1", "ConfirmDirect", [&](sd_bus_message* m) {
    dbus::Writer out(m);
    out.u64(7).text("AAAAA-BBBBB-CCCCC-DDDDD");
  });
  std::uint64_t id = 0;
  cr_assert_gt(sd_bus_message_read(done.message, "t", &id), 0);
  cr_assert_eq(id, 0xc3);
  cr_assert_str_eq(service.port.calls.at(1).c_str(), "confirm_direct 7 AAAAA-BBBBB-CCCCC-DDDDD");
}

Test(nmm_adaptor, the_words_of_a_lifecycle) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  const auto call = [&](const char* member, const std::function<void(dbus::Writer&)>& write) {
    return client.call_akm(service.servers(), "Nmm1", member, [&](sd_bus_message* m) {
      dbus::Writer out(m);
      write(out);
    });
  };
  const std::vector<std::uint8_t> value(32, 1);
  cr_assert(call("Reprovision", [](dbus::Writer& out) { out.u64(0xa1); }).error.empty());
  cr_assert(call("Rehome", [&](dbus::Writer& out) { out.u64(0xa1).bytes(value); }).error.empty());
  cr_assert(call("Retire", [](dbus::Writer& out) { out.u64(0xa1).boolean(true); }).error.empty());
  cr_assert(call("AcceptHardware", [](dbus::Writer&) {}).error.empty());
  const std::vector<std::string> expected{"reprovision 161", "rehome 161 32", "retire 161 forget",
                                          "accept_hardware"};
  cr_assert(service.port.calls == expected);
  cr_assert_eq(call("DescribeNode", [](dbus::Writer& out) { out.u64(0xb2); }).error,
               "org.akm.Error.NotFound");
  const Answer facts = call("DescribeNode", [](dbus::Writer& out) { out.u64(0xa1); });
  cr_assert_str_eq(sd_bus_message_get_signature(facts.message, 1), "a(ss)");
}

Test(nmm_adaptor, list_nodes) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  const Answer answer = client.call_akm(service.servers(), "Nmm1", "ListNodes");
  cr_assert(answer.error.empty(), "%s", answer.error.c_str());
  cr_assert_str_eq(sd_bus_message_get_signature(answer.message, 1), "a(tssusxats)");
}

Test(nmm_adaptor, create_asr) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  const auto call = [&](const char* label, const std::vector<std::uint64_t>& nodes,
                        const std::map<std::string, std::string>& policy) {
    return client.call_akm(service.servers(), "Nmm1", "CreateAsr", [&](sd_bus_message* m) {
      dbus::Writer out(m);
      out.text(label).u64s(nodes).text_map(policy);
    });
  };
  const Answer made = call("beta", {1, 2}, {{"grace_s", "2"}});
  const char* path = nullptr;
  cr_assert_gt(sd_bus_message_read(made.message, "o", &path), 0);
  cr_assert_str_eq(path, "/org/akm/Nmm1/asr/0000000000000002");
  cr_assert_str_eq(service.port.calls.at(0).c_str(), "create_asr beta 1 2 grace_s=2");
  cr_assert_eq(call("", {1}, {}).error, "org.akm.Error.InvalidArgument");
  cr_assert_eq(call("beta", {}, {}).error, "org.akm.Error.InvalidArgument");
  cr_assert_eq(call("beta", {1, 1}, {}).error, "org.akm.Error.InvalidArgument");
  cr_assert_eq(call("beta", {0}, {}).error, "org.akm.Error.InvalidArgument");
  cr_assert_eq(call("beta", std::vector<std::uint64_t>(5000, 1), {}).error, "org.akm.Error.TooLarge");
  cr_assert_eq(call("beta", {1}, {{"BAD KEY", "1"}}).error, "org.akm.Error.InvalidArgument");
  cr_assert_eq(service.port.calls.size(), 1);
  service.port.deferred.result = fail(Errc::timed_out, "D");
  const Answer late = call("beta", {1}, {});
  cr_assert_eq(late.error, "org.akm.Error.TimedOut");
  cr_assert(late.text.ends_with(": D"));
}

Test(nmm_adaptor, methods_on_ids) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  const auto call = [&](const char* member, std::initializer_list<std::uint64_t> ids) {
    return client.call_akm(service.servers(), "Nmm1", member, [&](sd_bus_message* m) {
      dbus::Writer out(m);
      for (const std::uint64_t id : ids) out.u64(id);
    });
  };
  const std::vector<std::pair<const char*, const char*>> two{{"AddMember", "add_member 1 178"},
                                                             {"RemoveMember", "remove_member 1 178"}};
  const std::vector<std::pair<const char*, const char*>> one{{"Rekey", "rekey 7"},
                                                             {"DeleteAsr", "delete_asr 7"},
                                                             {"Quarantine", "quarantine 7"},
                                                             {"Readmit", "readmit 7"}};
  for (const auto& [member, wanted] : two) {
    cr_assert(call(member, {1, 178}).error.empty());
    cr_assert_str_eq(service.port.calls.back().c_str(), wanted);
    cr_assert_eq(call(member, {0, 1}).error, "org.akm.Error.InvalidArgument");
    cr_assert_eq(call(member, {1, 0}).error, "org.akm.Error.InvalidArgument");
  }
  for (const auto& [member, wanted] : one) {
    cr_assert(call(member, {7}).error.empty());
    cr_assert_str_eq(service.port.calls.back().c_str(), wanted);
    cr_assert_eq(call(member, {0}).error, "org.akm.Error.InvalidArgument");
  }
  cr_assert(call("CreateRootSecret", {}).error.empty());
  cr_assert_str_eq(service.port.calls.back().c_str(), "create_root_secret");
  service.port.deferred.result = fail(Errc::not_found);
  cr_assert_eq(call("Quarantine", {7}).error, "org.akm.Error.NotFound");
  cr_assert_eq(call("Rekey", {1, 2}).error, "org.freedesktop.DBus.Error.InvalidArgs");
}

Test(nmm_adaptor, set_policy_and_attest) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  const auto set = [&](std::uint64_t id, const std::map<std::string, std::string>& policy) {
    return client.call_akm(service.servers(), "Nmm1", "SetPolicy",
                           [&](sd_bus_message* m) { dbus::Writer(m).u64(id).text_map(policy); });
  };
  cr_assert(set(7, {{"rekey_interval_s", "60"}, {"nnrt_ms", "500"}}).error.empty());
  cr_assert_str_eq(service.port.calls.back().c_str(), "set_policy 7 nnrt_ms=500 rekey_interval_s=60");
  cr_assert_eq(set(0, {{"nnrt_ms", "500"}}).error, "org.akm.Error.InvalidArgument");
  cr_assert_eq(set(7, {}).error, "org.akm.Error.InvalidArgument");
  cr_assert_eq(set(7, {{"BAD KEY", "1"}}).error, "org.akm.Error.InvalidArgument");
  const auto attest = [&](std::uint64_t id, bool accept) {
    return client.call_akm(service.servers(), "Nmm1", "Attest",
                           [&](sd_bus_message* m) { dbus::Writer(m).u64(id).boolean(accept); });
  };
  cr_assert(attest(7, true).error.empty());
  cr_assert_str_eq(service.port.calls.back().c_str(), "attest 7 accept");
  cr_assert_eq(attest(0, false).error, "org.akm.Error.InvalidArgument");
  cr_assert_eq(service.port.calls.size(), 2);
  service.port.deferred.result = fail(Errc::not_authentic);
  cr_assert_eq(attest(7, false).error, "org.akm.Error.NotAuthentic");
}

Test(nmm_adaptor, changes_and_events_are_signalled) {
  NmmService service;
  TestClient client(service.daemon.address());
  std::vector<sd_bus_message*> signals;
  client.record("type='signal',path='/org/akm/Nmm1'", signals, service.servers());
  service.port.snapshot.state = "no-root-secret";
  service.observer.status_changed();
  service.observer.event({"node-evicted", 4, 5, 6, {}});
  std::vector<Pumped> all = service.servers();
  all.push_back(client.pumped());
  cr_assert(pump(all, [&] { return signals.size() == 2; }));
  cr_assert_str_eq(sd_bus_message_get_member(signals[0]), "Event");
  cr_assert_str_eq(sd_bus_message_get_member(signals[1]), "PropertiesChanged");
  for (sd_bus_message* message : signals) sd_bus_message_unref(message);
}

Test(nmm_adaptor, prepare_token_passes_the_pin_as_a_descriptor) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  const std::array<std::uint8_t, 4> pin{'1', '2', '3', '4'};
  const UniqueFd memfd = std::move(*dbus::make_sealed_memfd("test", pin));
  const auto call = [&](std::string_view uri) {
    return client.call_akm(service.servers(), "Nmm1", "PrepareToken", [&](sd_bus_message* m) {
      dbus::Writer out(m);
      out.text("C").bytes(value(32)).texts({"192.0.2.3:7400"}).text(uri).fd(memfd.get());
    });
  };
  const Answer answer = call("pkcs11:token=one");
  cr_assert(answer.error.empty(), "%s %s", answer.error.c_str(), answer.text.c_str());
  std::uint64_t id = 0;
  const char* token = nullptr;
  int sealed = 0;
  cr_assert_gt(sd_bus_message_read(answer.message, "tsb", &id, &token, &sealed), 0);
  cr_assert_eq(id, 0xc3);
  cr_assert_str_eq(token, "'carrier'");
  cr_assert_eq(sealed, 1);
  cr_assert_str_eq(service.port.calls[0].c_str(), "prepare_token C pkcs11:token=one");
  cr_assert_eq(dbus::read_sealed_memfd(service.port.code.get(), 16)->size(), 4);
  cr_assert_eq(call("pkcs11:token=one?module-path=/tmp/m.so").error, "org.akm.Error.InvalidArgument");
  service.port.deferred.result = fail(Errc::wrong_pin, "'carrier'");
  cr_assert_eq(call("pkcs11:token=one").error, "org.akm.Error.WrongPin");
}

Test(nmm_adaptor, prepare_for_tpm) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  const auto call = [&](std::size_t size, const char* directory) {
    return client.call_akm(service.servers(), "Nmm1", "PrepareForTpm", [&](sd_bus_message* m) {
      dbus::Writer out(m);
      out.text("C").texts({"192.0.2.3:7400"}).bytes(value(size)).text(directory);
    });
  };
  const Answer answer = call(700, "/media/usb");
  cr_assert(answer.error.empty(), "%s %s", answer.error.c_str(), answer.text.c_str());
  std::uint64_t id = 0;
  const char* path = nullptr;
  const char* fingerprint = nullptr;
  const char* bundle = nullptr;
  int certified = 1;
  const char* certificate = nullptr;
  const char* digest = nullptr;
  cr_assert_gt(sd_bus_message_read(answer.message, "tsssbss", &id, &path, &fingerprint, &bundle, &certified,
                                   &certificate, &digest),
               0);
  cr_assert_eq(id, 0xc3);
  cr_assert_eq(certified, 0);
  cr_assert_str_eq(certificate, "nobody");
  cr_assert_eq(std::string(digest).substr(0, 4), "bb00");
  cr_assert_eq(service.port.for_tpm.identity.size(), 700);
  cr_assert_eq(call(16 * 1024 + 1, "/media/usb").error, "org.akm.Error.TooLarge");
  cr_assert_eq(call(700, "usb").error, "org.akm.Error.InvalidArgument");
  cr_assert_eq(service.port.calls.size(), 1);
}

Test(nmm_adaptor, set_golden_pcrs) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  const auto call = [&](std::uint64_t node, std::size_t size) {
    return client
        .call_akm(service.servers(), "Nmm1", "SetGoldenPcrs",
                  [&](sd_bus_message* m) {
                    dbus::Writer out(m);
                    out.u64(node).bytes(value(size));
                  })
        .error;
  };
  cr_assert_eq(call(0xa1, 32), "");
  cr_assert_str_eq(service.port.calls.back().c_str(), "set_golden_pcrs 161 66");
  cr_assert_eq(call(0xa1, 31), "org.akm.Error.InvalidArgument");
  cr_assert_eq(call(0, 32), "org.akm.Error.InvalidArgument");
}
