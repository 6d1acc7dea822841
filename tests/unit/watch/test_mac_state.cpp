#include "daemon/watch/mac_state.h"

#include <criterion/criterion.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Heard;

Test(mac_state, selinux_set_permissive_lockdown_lifted_and_profiles_unloaded) {
  const test::TemporaryFolder sys;
  const std::string security = "kernel/security/";
  sys.write("fs/selinux/enforce", "1");
  sys.write(security + "lockdown", "none [integrity] confidentiality\n");
  sys.write(security + "apparmor/profiles", "a (enforce)\nb (complain)\nc (enforce)\n");
  sys.write(security + "ima/policy", "measure func=BPRM_CHECK\n");
  MacState watch(sys.path());
  Heard heard;
  cr_assert_eq(heard.look(watch), 0);
  sys.write("fs/selinux/enforce", "0");
  sys.write(security + "lockdown", "[none] integrity confidentiality\n");
  sys.write(security + "apparmor/profiles", "a (enforce)\n");
  sys.write(security + "ima/policy", "");
  cr_assert_eq(heard.look(watch), 4);
  for (const auto& one : heard.all) {
    cr_assert_eq(one.detection, policy::DetectionClass::mac_disabled);
    cr_assert_eq(policy::grade(one), policy::Grade::evidence);
  }
  cr_assert_eq(heard.look(watch), 0);
}

Test(mac_state, stricter_is_nobodys_fault) {
  const test::TemporaryFolder sys;
  sys.write("fs/selinux/enforce", "0");
  sys.write("kernel/security/lockdown", "[none] integrity confidentiality\n");
  MacState watch(sys.path());
  Heard heard;
  (void)heard.look(watch);
  sys.write("fs/selinux/enforce", "1");
  sys.write("kernel/security/lockdown", "none integrity [confidentiality]\n");
  sys.write("kernel/security/apparmor/profiles", "a (enforce)\n");
  cr_assert_eq(heard.look(watch), 0);
  std::filesystem::remove_all(sys.file("kernel/security"));
  cr_assert_eq(heard.look(watch), 2, "securityfs that is gone hides what it showed");
}

Test(mac_state, texts_of_the_kernel) {
  cr_assert_eq(lockdown_mode("none [integrity] confidentiality"), "integrity");
  cr_assert_eq(lockdown_mode("none"), "");
  cr_assert_eq(lockdown_mode("]["), "");
  cr_assert_eq(enforced_profiles("a (enforce)\nb (kill)\n"), 1);
  cr_assert_eq(enforced_profiles(""), 0);
}
