#include <criterion/criterion.h>

#include "daemon/store/audit_log.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/akmctl/akmctl_fixture.h"

using namespace akm;
using namespace akm::test;
using With = World::With;

namespace {

std::vector<nlohmann::json> lines_of(const std::string& text) {
  std::vector<nlohmann::json> out;
  std::size_t at = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; at = end + 1, end = text.find('\n', at))
    out.push_back(nlohmann::json::parse(text.substr(at, end - at), nullptr, false));
  return out;
}

/// A log that no daemon runs for.
std::string make_log(const TemporaryFolder& place) {
  const std::string folder = place.path() + "/copy";
  SecretBytes<32> storage;
  const auto key = store::AuditKey::derive(storage);
  auto opened = store::AuditLog::open(folder, *key, {}, {});
  cr_assert(opened.has_value());
  AuditRecord record;
  record.name = "state-changed";
  cr_assert(opened->log->append(record).has_value());
  cr_assert(opened->log->seal(record).has_value());
  return folder;
}

}  // namespace

Test(akmctl_audit, verify_asks_the_daemon) {
  NEED_ROOT();
  World world(With::node);
  const Outcome good = world.run({"audit", "verify"});
  cr_assert_eq(good.exit_code, 0, "%s", good.err.c_str());
  cr_assert(good.out.contains("3 records (1 to 3) in 1 files; sealed up to 2") &&
            good.out.contains("intact"));
  world.audit.verdict.findings = {"record 2 is another one than was sealed"};
  const Outcome bad = world.run({"--json", "audit", "verify", "--of", "node"});
  cr_assert_eq(bad.exit_code, 1);
  cr_assert_eq(bad.json()["intact"], false);
  cr_assert_eq(bad.json()["findings"].size(), 1);
}

Test(akmctl_audit, a_copy_is_verified_without_a_daemon_and_its_seals_by_one) {
  NEED_ROOT();
  const TemporaryFolder place;
  const std::string folder = make_log(place);
  World nobody(With::nothing);
  const Outcome alone = nobody.run({"audit", "verify", folder});
  cr_assert_eq(alone.exit_code, 0, "%s", alone.err.c_str());
  cr_assert(alone.out.contains("The seals were not checked"), "%s", alone.out.c_str());
  World world(With::node);
  const Outcome asked = world.run({"audit", "verify", folder});
  cr_assert_eq(world.audit.seals.size(), 1);
  cr_assert_eq(asked.exit_code, 1, "this one knows of no seal");
  cr_assert(asked.out.contains("was not made by this daemon"));
  const std::string file = folder + "/" + store::audit_file_name(1);
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 3);
  const Outcome torn = nobody.run({"audit", "verify", folder});
  cr_assert(torn.out.contains("of no whole record"), "%s", torn.out.c_str());
  cr_assert_eq(nobody.run({"audit", "verify", "/nonexistent"}).exit_code, 6);
  cr_assert_eq(lines_of(nobody.run({"audit", "export", folder}).out).at(0)["event"], "state-changed");
}

Test(akmctl_audit, export_is_one_value_a_line_and_show_is_for_people) {
  NEED_ROOT();
  World world(With::node);
  const auto lines = lines_of(world.run({"audit", "export"}).out);
  cr_assert_eq(lines.size(), 3);
  cr_assert_eq(lines[1]["class"], "key-access");
  cr_assert_eq(lines[1]["node"], "A");
  const Outcome text = world.run({"audit", "show", "--after", "1", "--count", "1"});
  cr_assert(text.out.contains("breach-detected") && !text.out.contains("keys-revoked"), "%s",
            text.out.c_str());
}

Test(akmctl_audit, incidents) {
  NEED_ROOT();
  World world(With::node);
  const Outcome list = world.run({"incident", "list"});
  cr_assert(list.out.contains("0000000000000abc") && list.out.contains("critical"), "%s", list.out.c_str());
  cr_assert_eq(world.run({"--json", "incident", "list"}).json()["id"], "0000000000000abc");
  const Outcome show = world.run({"incident", "show", "0000000000000abc"});
  cr_assert(show.out.contains("+0.500 ms  keys-revoked"), "%s", show.out.c_str());
  const auto lines = lines_of(world.run({"incident", "export", "0000000000000abc"}).out);
  cr_assert_eq(lines.size(), 2);
  cr_assert_eq(lines[0]["evidence"]["operation"], "read");
  cr_assert_eq(world.run({"incident", "show", "00000000000000ff"}).exit_code, 6);
  cr_assert_eq(world.run({"incident", "show", "x"}).exit_code, 2);
}
