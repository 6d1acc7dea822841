#include <criterion/criterion.h>

#include "tests/unit/dbus/with_proxy.h"

using namespace akm;
using namespace akm::dbus;
using namespace akm::test;

Test(proxy_backup, makes_opens_and_confirms) {
  if (!may_call()) cr_skip_test("needs uid 0: other callers are refused here");
  NmmService service;
  const UniqueFd file = FakeNmm::memfd_of("B");
  const UniqueFd secret = FakeNmm::memfd_of("S");
  Result<nmm::ControlPort::MadeBackup> drawn = fail(Errc::internal);
  Result<nmm::ControlPort::MadeBackup> own = fail(Errc::internal);
  Result<nmm::ControlPort::BackupFacts> tested = fail(Errc::internal);
  Result<nmm::ControlPort::BackupFacts> restored = fail(Errc::internal);
  Status confirmed = fail(Errc::internal);
  with_proxy(service, [&](Proxy& proxy) {
    drawn = proxy.make_backup(nullptr);
    own = proxy.make_backup(&secret);
    tested = proxy.open_backup(file, secret, false);
    restored = proxy.open_backup(file, secret, true);
    confirmed = proxy.confirm_asr(7);
  });
  cr_assert(drawn && drawn->secret);
  cr_assert(own && !own->secret);
  cr_assert_eq(FakeNmm::text_of(own->file), "the backup");
  cr_assert_eq(tested->nodes.at(0).name, "a");
  cr_assert_eq(tested->nodes.at(0).serial, 3U);
  cr_assert_eq(tested->asrs.at(0).generation, 5U);
  cr_assert_eq(restored->asrs.at(0).members, 2U);
  cr_assert(confirmed);
}
