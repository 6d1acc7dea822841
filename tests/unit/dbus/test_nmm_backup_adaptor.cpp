#include <criterion/criterion.h>

#include "dbus/sealed_memfd.h"
#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

#define NEED_ROOT() \
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here")

namespace {

Answer call(NmmService& service, TestClient& client, const char* member, std::vector<std::string> fds) {
  return client.call_akm(service.servers(), "Nmm1", member, [&](sd_bus_message* m) {
    dbus::Writer out(m);
    for (const std::string& text : fds) out.fd(FakeNmm::memfd_of(text).get());
  });
}

}  // namespace

Test(nmm_backup_adaptor, backups_go_as_memfds_and_their_secrets_too) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  const Answer drawn = call(service, client, "MakeBackup", {});
  cr_assert(drawn.error.empty(), "%s", drawn.text.c_str());
  int file = -1;
  int secret = -1;
  cr_assert_gt(sd_bus_message_read(drawn.message, "hh", &file, &secret), 0);
  cr_assert_eq(dbus::read_public_memfd(file, 64)->size(), 10U);
  cr_assert_eq(dbus::read_sealed_memfd(secret, 64)->size(), 23U);
  const Answer own = call(service, client, "MakeBackupUnder", {"correct horse battery"});
  cr_assert_gt(sd_bus_message_read(own.message, "h", &file), 0);
  cr_assert_eq(service.port.calls.back(), "make_backup under correct horse battery");
  service.port.deferred.result = fail(Errc::wrong_state, "its Root has it");
  cr_assert_eq(call(service, client, "MakeBackup", {}).error, "org.akm.Error.WrongState");
  cr_assert_eq(call(service, client, "MakeBackupUnder", {"x"}).error, "org.akm.Error.WrongState");
}

Test(nmm_backup_adaptor, what_is_in_one_is_told_before_and_after) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  for (const auto& [member, wanted] : {std::pair{"TestBackup", "test_backup B with S"},
                                       std::pair{"RestoreBackup", "restore_backup B with S"}}) {
    const Answer answer = call(service, client, member, {"B", "S"});
    cr_assert(answer.error.empty(), "%s", answer.text.c_str());
    cr_assert_eq(service.port.calls.back(), wanted);
    std::uint64_t nmm = 0;
    const char* name = nullptr;
    std::uint64_t made = 0;
    std::uint32_t starts = 0;
    cr_assert_gt(sd_bus_message_read(answer.message, "tstu", &nmm, &name, &made, &starts), 0);
    cr_assert_eq(nmm, 0x11U);
    cr_assert_eq(std::string(name), "north");
    cr_assert_eq(made, 1'700'000'000U);
    cr_assert_eq(starts, 7U);
  }
  service.port.deferred.result = fail(Errc::newer_version);
  cr_assert_eq(call(service, client, "TestBackup", {"B", "S"}).error, "org.akm.Error.NewerVersion");
  cr_assert_eq(call(service, client, "RestoreBackup", {"B", "S"}).error, "org.akm.Error.NewerVersion");
}

Test(nmm_backup_adaptor, an_operator_confirms_one_relationship) {
  NEED_ROOT();
  NmmService service;
  TestClient client(service.daemon.address());
  const auto confirm = [&](std::uint64_t id) {
    return client.call_akm(service.servers(), "Nmm1", "ConfirmAsr",
                           [&](sd_bus_message* m) { dbus::Writer(m).u64(id); });
  };
  cr_assert(confirm(7).error.empty());
  cr_assert_eq(service.port.calls.back(), "confirm_asr 7");
  cr_assert_eq(confirm(0).error, "org.akm.Error.InvalidArgument");
}
