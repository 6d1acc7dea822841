// akmctl support-bundle as a program, against fake roles.
#include <criterion/criterion.h>
#include <sys/stat.h>

#include "tests/unit/akmctl/akmctl_fixture.h"

using namespace akm;
using namespace akm::test;
using With = World::With;

Test(support_command, makes_an_archive) {
  NEED_ROOT();
  World world(With::both);
  const std::string path = world.daemon.folder() + "/out.tar.gz";
  const Outcome made = world.run({"support-bundle", "--out", path});
  cr_assert_eq(made.exit_code, 0, "%s%s", made.out.c_str(), made.err.c_str());
  cr_assert(made.out.contains("Not there: root.json"), "%s", made.out.c_str());
  const auto content = [&](const std::string& name) {
    return world.execute({"/usr/bin/tar", "-xzOf", path, "akm-support/" + name});
  };
  cr_assert_eq(content("node.json").json()["node_name"], "A");
  cr_assert_eq(content("doctor.json").json()["checks"].is_array(), true);
  cr_assert(content("metrics.txt").out.contains("# EOF"));
  cr_assert(content("README.txt").out.contains("Left out: keys"));
  const Outcome again = world.run({"support-bundle", "--out", path});
  cr_assert_eq(again.exit_code, 1);
  cr_assert_eq(world.run({"--host", "elsewhere", "support-bundle"}).exit_code, 2);
}

Test(support_command, where_nothing_runs) {
  World world(With::nothing);
  const std::string path = world.daemon.folder() + "/out.tar.gz";
  const Outcome made = world.run({"--json", "support-bundle", "--out", path});
  cr_assert_eq(made.exit_code, 0, "%s", made.err.c_str());
  cr_assert_eq(made.json()["path"], path);
  cr_assert_gt(made.json()["absent"].size(), 5);
}
