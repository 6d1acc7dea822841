#include "dbus/root_adaptor.h"

#include <criterion/criterion.h>

#include "tests/unit/dbus/root_service.h"

using namespace akm;
using namespace akm::test;

#define NEED_ROOT() \
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here")

namespace {

std::string call(RootService& service, const char* member, const std::function<void(dbus::Writer&)>& fill) {
  TestClient client(service.daemon.address());
  return client
      .call_akm(service.servers(), "Root1", member,
                [&](sd_bus_message* message) {
                  dbus::Writer out(message);
                  fill(out);
                })
      .error;
}

}  // namespace

Test(root_adaptor, hostile_arguments_never_reach_the_role) {
  NEED_ROOT();
  RootService service;
  const std::map<std::string, std::string> one{{"a", "1"}};
  const std::vector<std::uint8_t> value(32, 1);
  const std::vector<std::string> errors{
      call(service, "GetRecord", [](dbus::Writer& out) { out.text("secret").u64(1); }),
      call(service, "GetRecord", [](dbus::Writer& out) { out.text("node").u64(0); }),
      call(service, "SetRecord", [](dbus::Writer& out) { out.text("node").u64(1).text_map({}).i64(-1); }),
      call(service, "SetRecord", [&](dbus::Writer& out) { out.text("node").u64(1).text_map(one).i64(-2); }),
      call(service, "SetRecord", [&](dbus::Writer& out) { out.text("node").u64(0).text_map(one).i64(-1); }),
      call(service, "ListReports", [](dbus::Writer& out) { out.text("policy").u64(0).u64(0).u64(0); }),
      call(service, "ReplaceNmm", [&](dbus::Writer& out) { out.u64(1).bytes({1, 2, 3}).text("/media/usb"); }),
      call(service, "ReplaceNmm", [&](dbus::Writer& out) { out.u64(1).bytes(value).text("usb"); }),
      call(service, "ReplaceNmm", [&](dbus::Writer& out) { out.u64(0).bytes(value).text("/media/usb"); }),
      call(service, "PrepareNmm",
           [&](dbus::Writer& out) { out.text("../x").u64(0).bytes(value).texts({}).text("/media/usb"); }),
      call(service, "ProvisionNmm",
           [&](dbus::Writer& out) { out.text("../n").texts({}).text("unix:path=/run/bus"); }),
      call(service, "BeginDirect",
           [&](dbus::Writer& out) { out.text("n").texts({"nowhere"}).u64(0).text("unix:path=/run/bus"); }),
  };
  for (const std::string& error : errors) cr_assert_eq(error, "org.akm.Error.InvalidArgument");
  cr_assert(service.port.calls.empty());
}

Test(root_adaptor, the_errors_of_the_role_are_answered) {
  NEED_ROOT();
  RootService service;
  service.port.result = fail(Errc::unreachable, "postgresql");
  const auto nothing = [](dbus::Writer&) {};
  cr_assert_eq(call(service, "CreateRootSecret", nothing), "org.akm.Error.Unreachable");
  cr_assert_eq(call(service, "ListHistory", [](dbus::Writer& out) { out.u64(0); }),
               "org.akm.Error.Unreachable");
  cr_assert_eq(call(service, "Rollback", [](dbus::Writer& out) { out.u64(0); }), "org.akm.Error.Unreachable");
}

Test(root_adaptor, properties_are_of_now) {
  RootService service;
  TestClient client(service.daemon.address());
  service.port.snapshot.revision = 13;
  service.observer.status_changed();
  const Answer answer =
      client.get(service.servers(), "org.akm.Root1", "/org/akm/Root1", "org.akm.Root1", "Revision");
  std::uint64_t revision = 0;
  cr_assert_gt(sd_bus_message_read(answer.message, "v", "t", &revision), 0);
  cr_assert_eq(revision, 13);
}

Test(root_adaptor, which_addresses_there_are_is_the_roles_policy) {
  NEED_ROOT();
  RootService service;
  for (const char* address : {"unix:path=/run/bus", "ssh:north", "anything"}) {
    cr_assert_eq(
        call(service, "ProvisionNmm", [&](dbus::Writer& out) { out.text("n").texts({}).text(address); }), "");
  }
  cr_assert_eq(service.port.calls.size(), 3U);
}
