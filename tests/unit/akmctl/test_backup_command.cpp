#include <criterion/criterion.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/unit/akmctl/akmctl_fixture.h"

using namespace akm;
using namespace akm::test;
using With = World::With;

Test(akmctl_backup, is_written_once_for_the_owner_alone_and_its_secret_is_shown) {
  NEED_ROOT();
  World world(With::nmm);
  const std::string file = world.daemon.folder() + "/north.akmbackup";
  const Outcome made = world.run({"nmm", "backup", file});
  cr_assert_eq(made.exit_code, 0, "%s", made.err.c_str());
  cr_assert(made.out.contains("Recovery secret: 0123A-BCDEF-GHJKM-NPQRS"), "%s", made.out.c_str());
  cr_assert_eq(whole_file(file), "the backup");
  struct stat status{};
  cr_assert_eq(stat(file.c_str(), &status), 0);
  cr_assert_eq(status.st_mode & 0777, 0600U);
  cr_assert_neq(world.run({"nmm", "backup", file}).exit_code, 0, "it is not overwritten");
  const Outcome unread =
      world.execute({"/bin/sh", "-c", "exec \"$0\" --bus \"$1\" nmm backup \"$2\" >/dev/full", AKMCTL_PATH,
                     world.daemon.address(), file + "0"});
  cr_assert_neq(unread.exit_code, 0);
  cr_assert_not(std::filesystem::exists(file + "0"), "a backup that nobody can open");
  const auto json = world.run({"--json", "nmm", "backup", file + "2"}).json();
  cr_assert_eq(json["secret"], "0123A-BCDEF-GHJKM-NPQRS");
  const Outcome own =
      world.run({"nmm", "backup", file + "3", "--recovery-file", "-"}, "correct horse battery\n");
  cr_assert_eq(own.exit_code, 0, "%s", own.err.c_str());
  cr_assert_eq(world.nmm.calls.back(), "make_backup under correct horse battery");
  cr_assert_not(own.out.contains("horse"));
}

Test(akmctl_backup, is_opened_with_a_secret_that_is_in_no_argument) {
  NEED_ROOT();
  World world(With::nmm);
  const std::string file = world.daemon.folder() + "/b";
  std::ofstream(file) << "B";
  const Outcome tested = world.run({"nmm", "restore-test", file, "--recovery-file", "-"}, "S\n");
  cr_assert_eq(tested.exit_code, 0, "%s", tested.err.c_str());
  cr_assert_eq(world.nmm.calls.back(), "test_backup B with S");
  cr_assert(tested.out.contains("Nothing was changed"), "%s", tested.out.c_str());
  cr_assert(tested.out.contains("2023-11-14 22:13:20 UTC"), "%s", tested.out.c_str());
  const auto json =
      world.run({"--json", "nmm", "restore", file, "--yes", "--recovery-file", "-"}, "S\n").json();
  cr_assert_eq(world.nmm.calls.back(), "restore_backup B with S");
  cr_assert_eq(json["nodes"][0]["name"], "a");
  cr_assert_eq(json["asrs"][0]["generation"], 5);
  cr_assert(world.run({"nmm", "restore", file, "--yes"}).err.contains("--recovery-file"));
  cr_assert_neq(world.run({"nmm", "restore", file + "x", "--yes", "--recovery-file", "-"}, "S").exit_code, 0);
  const Outcome unasked = world.run({"nmm", "restore", file, "--recovery-file", "-"}, "S");
  cr_assert(unasked.exit_code != 0 && unasked.err.contains("--yes"), "%s", unasked.err.c_str());
  world.nmm.deferred.result = fail(Errc::not_authentic, "test");
  cr_assert_eq(world.run({"nmm", "restore", file, "--yes", "--recovery-file", "-"}, "S").exit_code, 1);
}

Test(akmctl_backup, a_relationship_is_confirmed_by_its_name) {
  NEED_ROOT();
  World world(With::nmm);
  const auto asrs = world.run({"--json", "asr", "list"}).json();
  const std::string label = asrs[0]["label"];
  const Outcome done = world.run({"asr", "confirm", label});
  cr_assert_eq(done.exit_code, 0, "%s", done.err.c_str());
  cr_assert(world.nmm.calls.back().starts_with("confirm_asr "), "%s", world.nmm.calls.back().c_str());
}
