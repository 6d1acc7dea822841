#include "dbus/log_control.h"

#include <criterion/criterion.h>

#include "daemon/base/log_setting.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/dbus/run_as.h"
#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

namespace {

struct Bench {
  Bench() : bus({daemon.address(), dbus::kNodeName}), authorizer(bus, {"", false}), control(bus, authorizer) {
    const log::Options options{
        .target = log::Options::Target::text, .file = folder.file("log"), .identifier = "akmd"};
    if (!log::open(options)) give_up("log");
    if (!bus.start() || !pump({pumped(bus)}, [&] { return bus.ready(); })) give_up("service not on the bus");
  }
  /// Property Set; the name of the error.
  std::string set(const char* property, const char* type, const char* value,
                  const char* interface = dbus::kLogControlName) {
    TestClient client(daemon.address());
    Answer answer = client.call({pumped(bus)}, dbus::kNodeName, dbus::kLogControlPath,
                                "org.freedesktop.DBus.Properties", "Set", [&](sd_bus_message* m) {
                                  (void)sd_bus_message_append(m, "ss", interface, property);
                                  (void)sd_bus_message_append(m, "v", type, value);
                                });
    said = answer.text;
    return answer.error;
  }
  std::string get(const char* property) {
    TestClient client(daemon.address());
    const Answer answer = client.call(
        {pumped(bus)}, dbus::kNodeName, dbus::kLogControlPath, "org.freedesktop.DBus.Properties", "Get",
        [&](sd_bus_message* m) { (void)sd_bus_message_append(m, "ss", dbus::kLogControlName, property); });
    const char* value = nullptr;
    if (answer.message == nullptr || sd_bus_message_read(answer.message, "v", "s", &value) < 0)
      return answer.error;
    return value;
  }
  [[nodiscard]] std::string logged() const {
    std::ifstream file(folder.file("log"));
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TemporaryFolder folder;
  PrivateBus daemon;
  dbus::Bus bus;
  dbus::Authorizer authorizer;
  dbus::LogControl control;
  std::string said;
};

}  // namespace

Test(log_control, what_is_in_force_is_read) {
  Bench bench;
  cr_assert_eq(bench.get("LogLevel"), "info");
  cr_assert_eq(bench.get("LogTarget"), "console");
  cr_assert_eq(bench.get("SyslogIdentifier"), "akmd");
}

Test(log_control, the_level_decides_what_is_written) {
  if (!may_call()) cr_skip("methods need uid 0");
  Bench bench;
  log::write(log::Level::debug, {}, "not yet");
  cr_assert_eq(bench.set("LogLevel", "s", "debug"), "");
  log::write(log::Level::debug, {}, "now it is");
  cr_assert_eq(bench.get("LogLevel"), "debug");
  cr_assert_eq(bench.set("LogLevel", "s", "err"), "");
  log::warning("no more");
  const std::string text = bench.logged();
  cr_assert(!text.contains("not yet") && text.contains("now it is") && !text.contains("no more"), "%s",
            text.c_str());
  cr_assert(text.contains("AKM_FROM=debug AKM_TO=err AKM_CALLER=\"uid 0\""), "%s", text.c_str());
  cr_assert(text.contains("AKM_METHOD=org.freedesktop.DBus.Properties.Set"), "calls are told at debug");
}

Test(log_control, what_is_no_level_and_no_target_is_refused) {
  if (!may_call()) cr_skip("methods need uid 0");
  Bench bench;
  for (const char* level : {"", "loud", "DEBUG", "8", "warning\n"}) {
    cr_assert_eq(bench.set("LogLevel", "s", level), "org.akm.Error.InvalidArgument");
    cr_assert(bench.said.contains("emerg, alert, crit, err, warning"), "%s", bench.said.c_str());
  }
  cr_assert_eq(bench.set("LogLevel", "o", "/debug"), "org.akm.Error.InvalidArgument");
  cr_assert_eq(bench.set("LogTarget", "s", "kmsg"), "org.akm.Error.InvalidArgument");
  cr_assert_eq(bench.get("LogLevel"), "info");
  cr_assert_eq(bench.set("SyslogIdentifier", "s", "sshd"), "org.freedesktop.DBus.Error.PropertyReadOnly");
  cr_assert(
      bench.set("LogLevel", "s", "debug", "org.akm.Node1").starts_with("org.freedesktop.DBus.Error.Unknown"));
}

Test(log_control, a_target_that_cannot_be_had_changes_nothing) {
  if (!may_call()) cr_skip("methods need uid 0");
  Bench bench;
  log::Options options = log::options();
  options.journal_socket = bench.folder.file("no-journal");
  cr_assert(log::open(options).has_value());
  cr_assert_eq(bench.set("LogTarget", "s", "journal"), "org.akm.Error.IoFailed");
  cr_assert_eq(bench.get("LogTarget"), "console");
  cr_assert_eq(bench.set("LogTarget", "s", "auto"), "");
  log::info("still here");
  cr_assert(bench.logged().contains("still here"));
}

Test(log_control, only_uid_0_sets) {
  if (!may_call()) cr_skip("needs uid 0: changes the identity of callers");
  Bench bench;
  const std::string address = bench.daemon.address();
  const int code = run_as(kNobody, {kNobody}, {pumped(bench.bus)}, [&] {
    sd_bus* bus = nullptr;
    if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, address.c_str()) < 0 ||
        sd_bus_set_bus_client(bus, 1) < 0 || sd_bus_start(bus) < 0) {
      return 3;
    }
    sd_bus_error error = SD_BUS_ERROR_NULL;
    char* level = nullptr;
    if (sd_bus_get_property_string(bus, dbus::kNodeName, dbus::kLogControlPath, dbus::kLogControlName,
                                   "LogLevel", &error, &level) < 0) {
      return 2;
    }
    if (sd_bus_set_property(bus, dbus::kNodeName, dbus::kLogControlPath, dbus::kLogControlName, "LogLevel",
                            &error, "s", "debug") >= 0) {
      return 1;
    }
    return sd_bus_error_has_name(&error, "org.akm.Error.NotAuthorized") > 0 ? 0 : 4;
  });
  cr_assert_eq(code, 0);
  cr_assert_eq(bench.get("LogLevel"), "info");
}
