#include "daemon/watch/service_files.h"

#include <criterion/criterion.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Heard;

namespace {

void installed(const test::TemporaryFolder& root) {
  root.write("usr/lib/systemd/system/akmd.service", "[Service]\n");
  root.write("usr/lib/systemd/system/other.service", "[Service]\n");
  root.write("usr/share/polkit-1/actions/org.akm.policy", "<policy/>");
  root.write("usr/share/dbus-1/system.d/org.akm.Node1.conf", "<busconfig/>");
  root.write("etc/polkit-1/rules.d/50-akm.rules", "rule");
  std::filesystem::create_directories(root.file("etc/systemd/system"));
}

}  // namespace

Test(service_files, mask_drop_in_rule_and_policy_are_told) {
  const test::TemporaryFolder root;
  installed(root);
  ServiceFiles watch(root.path());
  Heard heard;
  cr_assert_eq(heard.look(watch), 0);

  cr_assert_eq(::symlink("/dev/null", root.file("etc/systemd/system/akmd.service").c_str()), 0);
  cr_assert(watch.nudged());
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last_class(), policy::DetectionClass::service_tampering);
  cr_assert_eq(heard.last_grade(), policy::Grade::evidence);
  cr_assert_eq(heard.last("after"), "masked (-> /dev/null)");

  root.write("etc/systemd/system/akmd.service.d/evil.conf", "[Service]\nExecStartPre=/tmp/x\n");
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last("what"), "/etc/systemd/system/akmd.service.d/evil.conf");

  root.write("etc/polkit-1/rules.d/00-open.rules", "return YES");
  root.write("usr/share/dbus-1/system.d/org.akm.Node1.conf", "<allow/>");
  cr_assert_eq(heard.look(watch), 2);
  cr_assert_eq(heard.look(watch), 0, "told once");

  std::filesystem::remove(root.file("etc/systemd/system/akmd.service"));
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last("change"), "back");
}

Test(service_files, a_daemon_that_is_stopped_is_told_and_one_that_starts_is_not) {
  const test::TemporaryFolder root;
  const std::string processes = "sys/fs/cgroup/system.slice/akm-nmmd.service/cgroup.procs";
  ServiceFiles watch(root.path());
  Heard heard;
  (void)heard.look(watch);
  root.write(processes, "77\n");
  cr_assert_eq(heard.look(watch), 0);
  root.write(processes, "");
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last("what"), "akm-nmmd.service");
  cr_assert_eq(heard.last("before"), "running");
}

Test(service_files, other_services_are_nobodys_business) {
  const test::TemporaryFolder root;
  installed(root);
  ServiceFiles watch(root.path());
  Heard heard;
  (void)heard.look(watch);
  root.write("usr/lib/systemd/system/other.service", "[Service]\nchanged\n");
  root.write("etc/systemd/system/other.service.d/x.conf", "x");
  root.write("usr/share/dbus-1/system.d/org.other.conf", "x");
  cr_assert_eq(heard.look(watch), 0);
  root.write("etc/systemd/system/service.d/all.conf", "x");
  cr_assert_eq(heard.look(watch), 1, "a drop-in of all services is one of ours");
}
