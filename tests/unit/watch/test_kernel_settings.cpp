#include "daemon/watch/kernel_settings.h"

#include <criterion/criterion.h>

#include "tests/support/temporary_folder.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Heard;

Test(kernel_settings, weaker_is_told_with_its_name_and_values_and_back_is_too) {
  const test::TemporaryFolder sysctl;
  sysctl.write("kernel/yama/ptrace_scope", "2\n");
  KernelSettings watch(sysctl.path());
  Heard heard;
  cr_assert_eq(heard.look(watch), 0);
  sysctl.write("kernel/yama/ptrace_scope", "0\n");
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last_class(), policy::DetectionClass::hardening_weakened);
  cr_assert_eq(heard.last_grade(), policy::Grade::evidence);
  cr_assert_eq(heard.last("what"), "kernel/yama/ptrace_scope");
  cr_assert_eq(heard.last("before"), "2");
  cr_assert_eq(heard.last("after"), "0");
  cr_assert_eq(heard.look(watch), 0, "told once");
  sysctl.write("kernel/yama/ptrace_scope", "2\n");
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last_grade(), policy::Grade::observe);
}

Test(kernel_settings, stronger_is_right_and_becomes_the_measure) {
  const test::TemporaryFolder sysctl;
  sysctl.write("kernel/kptr_restrict", "1");
  KernelSettings watch(sysctl.path());
  Heard heard;
  (void)heard.look(watch);
  sysctl.write("kernel/kptr_restrict", "2");
  cr_assert_eq(heard.look(watch), 0);
  sysctl.write("kernel/kptr_restrict", "1");
  cr_assert_eq(heard.look(watch), 1);
}

Test(kernel_settings, core_dumps_elsewhere_are_a_class_of_their_own) {
  const test::TemporaryFolder sysctl;
  sysctl.write("kernel/core_pattern", "core\n");
  sysctl.write("fs/suid_dumpable", "0\n");
  KernelSettings watch(sysctl.path());
  Heard heard;
  (void)heard.look(watch);
  sysctl.write("kernel/core_pattern", "|/tmp/steal %p\n");
  sysctl.write("fs/suid_dumpable", "2\n");
  cr_assert_eq(heard.look(watch), 2);
  for (const auto& one : heard.all) cr_assert_eq(one.detection, policy::DetectionClass::core_dump_redirected);
}

Test(kernel_settings, each_setting_has_its_direction) {
  cr_assert(is_weaker_setting("kernel/unprivileged_bpf_disabled", "2", "0"));
  cr_assert(is_weaker_setting("kernel/unprivileged_bpf_disabled", "1", "2"), "1 holds until the next boot");
  cr_assert_not(is_weaker_setting("kernel/unprivileged_bpf_disabled", "2", "1"));
  cr_assert(is_weaker_setting("kernel/unprivileged_userns_clone", "0", "1"));
  cr_assert_not(is_weaker_setting("kernel/unprivileged_userns_clone", "1", "0"));
  cr_assert(is_weaker_setting("kernel/randomize_va_space", "2", "absent"));
  cr_assert_not(is_weaker_setting("kernel/core_pattern", "absent", "core"));
  cr_assert_not(is_weaker_setting("kernel/hostname", "a", "b"));
}
