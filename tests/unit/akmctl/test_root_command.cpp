#include <criterion/criterion.h>

#include "dbus/sealed_memfd.h"
#include "tests/unit/akmctl/akmctl_fixture.h"

using namespace akm;
using namespace akm::test;
using With = World::With;

namespace {

void expect_has(const std::string& text, const char* part) {
  cr_expect(text.contains(part), "'%s' is not in:\n%s", part, text.c_str());
}

}  // namespace

Test(akmctl_root, status) {
  World world(With::root);
  const Outcome text = world.run({"root", "status"});
  cr_assert_eq(text.exit_code, 0, "%s", text.err.c_str());
  expect_has(text.out, "sqlite /var/lib/akm-rootd/root.db");
  expect_has(text.out, "  - one");
  const Outcome json = world.run({"--json", "root", "status"});
  cr_assert_eq(json.json()["root_id"], "0000000000000099");
  cr_assert_eq(json.json()["revision"], 12);
}

Test(akmctl_root, without_a_root_it_says_what_to_start) {
  World world(With::nothing);
  const Outcome outcome = world.run({"root", "status"});
  cr_assert_eq(outcome.exit_code, 3);
  expect_has(outcome.err, "start akm-rootd");
}

Test(akmctl_root, nmms_and_their_credentials) {
  NEED_ROOT();
  World world(With::root);
  expect_has(world.run({"root", "nmms"}).out, "north  0000000000000077  active  2");
  const std::string value(64, 'a');
  const std::array<std::uint8_t, 4> code{'C', 'O', 'D', 'E'};
  world.root.code = std::move(*dbus::make_sealed_memfd("test", code));
  const Outcome prepared = world.run({"root", "nmm", "prepare", "north", "--hardware-value", value, "--adopt",
                                      "0000000000000007", "--to", "/media/usb", "--json"});
  cr_assert_eq(prepared.json()["code"], "CODE", "%s", prepared.err.c_str());
  cr_assert_eq(world.root.calls.back(), "prepare_nmm north 7 32 /media/usb by uid 0");
  world.root.code = std::move(*dbus::make_sealed_memfd("test", code));
  const Outcome replaced =
      world.run({"root", "nmm", "replace", "north", "--hardware-value", value, "--to", "/media/usb"});
  expect_has(replaced.out, "One-time code: CODE");
  cr_assert_eq(world.root.calls.back(), "replace_nmm 119 32 /media/usb by uid 0");
  cr_assert_eq(world.run({"root", "nmm", "replace", "north"}).exit_code, 2);
  cr_assert_eq(
      world.run({"root", "nmm", "replace", "north", "--hardware-value", "12", "--to", "/x"}).exit_code, 2);
}

Test(akmctl_root, differences) {
  NEED_ROOT();
  World world(With::root);
  const Outcome found = world.run({"--json", "root", "diff", "1", "2"});
  cr_assert_eq(found.json()[0]["before"], "1", "%s", found.err.c_str());
  cr_assert(found.json()[0]["after"].is_null());
}

Test(akmctl_root, records_are_set_read_and_rolled_back) {
  NEED_ROOT();
  World world(With::root);
  const Outcome set = world.run({"root", "set", "policy", "0000000000000005", "-f", "nnrt_ms=1000", "-f",
                                 "note=", "--expected-revision", "3"});
  cr_assert_eq(set.exit_code, 0, "%s", set.err.c_str());
  expect_has(set.out, "Revision 13.");
  cr_assert_eq(world.root.calls.back(), "set policy 5 nnrt_ms=1000 note= if 3 by uid 0");
  cr_assert_eq(world.run({"root", "set", "policy", "0000000000000005", "-f", "nnrt_ms"}).exit_code, 2);
  cr_assert_eq(world.run({"root", "get", "secret", "0000000000000005"}).exit_code, 2);
  expect_has(world.run({"root", "get", "policy", "0000000000000005"}).out, "1000");
  cr_assert_eq(world.run({"root", "get", "domain"}).exit_code, 0);
  cr_assert_eq(world.root.calls.back(), "get domain 1");
  cr_assert_eq(world.run({"root", "remove", "node", "00000000000000a1"}).exit_code, 0);
  expect_has(world.run({"root", "rollback", "3"}).out, "as it was at revision 3; this is revision 15");
}
