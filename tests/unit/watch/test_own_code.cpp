#include "daemon/watch/own_code.h"

#include <criterion/criterion.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/support/temporary_folder.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Heard;

namespace {

const std::string kAtStart =
    "55d0-55d1 r-xp 00000000 08:01 1 /usr/sbin/akmd\n"
    "7f00-7f01 r-xp 00000000 08:01 2 /usr/lib/x86_64-linux-gnu/libc.so.6\n"
    "7f02-7f03 rw-p 00000000 00:00 0 \n"
    "7ffe-7fff r-xp 00000000 00:00 0 [vdso]\n";

std::string line(const std::string& name) {
  return kAtStart + "7e00-7e01 r-xp 00000000 00:01 9 " + name + "\n";
}

}  // namespace

Test(own_code, names_of_executable_mappings) {
  const auto names = executable_mappings(line("/a name with spaces"));
  cr_assert_eq(names.size(), 4);
  cr_assert_eq(names[0], "/usr/sbin/akmd");
  cr_assert_eq(names[2], "[vdso]");
  cr_assert_eq(names[3], "/a name with spaces");
  cr_assert_eq(executable_mappings("1-2 rwxp 00000000 00:00 0 \n").at(0), "anonymous");
  cr_assert(executable_mappings("1-2 rw-p 0 0 0 x\n1-2 r-x\nnonsense").empty());
}

Test(own_code, foreign_code_is_critical_and_told_once) {
  const test::TemporaryFolder root;
  root.write("proc/self/maps", kAtStart);
  OwnCode watch({}, root.path());
  Heard heard;
  cr_assert_eq(heard.look(watch), 0);
  for (const char* name : {"/memfd:x (deleted)", "/tmp/inject.so", "anonymous-like"}) {
    root.write("proc/self/maps", line(name));
    cr_assert_eq(heard.look(watch), 1, "%s", name);
    cr_assert_eq(heard.last_class(), policy::DetectionClass::foreign_code);
    cr_assert_eq(heard.last_grade(), policy::Grade::critical);
    cr_assert_eq(heard.look(watch), 0);
  }
}

Test(own_code, a_library_that_is_loaded_later_and_an_upgrade_are_not) {
  if (::geteuid() != 0) cr_skip_test("needs files of root");
  const test::TemporaryFolder root;
  const std::string libraries = "/usr/lib/x86_64-linux-gnu";
  root.write(libraries + "/libnss.so", "");
  root.write("opt/token/module.so", "");
  root.write("proc/self/maps", kAtStart);
  OwnCode watch({"/opt/token"}, root.path());
  Heard heard;
  (void)heard.look(watch);
  for (const std::string& name : {libraries + "/libnss.so", std::string("/opt/token/module.so")}) {
    root.write("proc/self/maps", line(name));
    cr_assert_eq(heard.look(watch), 1);
    cr_assert_eq(heard.last_grade(), policy::Grade::observe);
  }
  root.write("proc/self/maps", line(libraries + "/libc.so.6 (deleted)"));
  cr_assert_eq(heard.look(watch), 0, "a package replaced it under us");
  root.write(libraries + "/evil.so", "");
  cr_assert_eq(::chown(root.file(libraries + "/evil.so").c_str(), 1, 1), 0);
  root.write("proc/self/maps", line(libraries + "/evil.so"));
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last_grade(), policy::Grade::critical);
}

Test(own_code, what_was_found_foreign_makes_nothing_beside_it_a_library) {
  if (::geteuid() != 0) cr_skip_test("needs files of root");
  const test::TemporaryFolder root;
  root.write("srv/b.so", "");
  root.write("proc/self/maps", kAtStart);
  OwnCode watch({}, root.path());
  Heard heard;
  (void)heard.look(watch);
  for (const char* name : {"/memfd:x (deleted)", "/srv/a.so", "/srv/b.so"}) {
    root.write("proc/self/maps", line(name));
    cr_assert_eq(heard.look(watch), 1);
    cr_assert_eq(heard.last_grade(), policy::Grade::critical, "%s", name);
  }
}

Test(own_code, preload_settings) {
  const test::TemporaryFolder root;
  OwnCode watch({}, root.path());
  Heard heard;
  cr_assert_eq(heard.look(watch), 0);
  root.write("etc/ld.so.preload", "");
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last_grade(), policy::Grade::observe, "an empty one loads nothing");
  root.write("etc/ld.so.preload", "/tmp/evil.so\n");
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last_class(), policy::DetectionClass::foreign_code);
  cr_assert_eq(heard.last_grade(), policy::Grade::critical);
  cr_assert_eq(heard.look(watch), 0);
}

Test(own_code, what_was_preloaded_at_the_start_is_said) {
  const test::TemporaryFolder root;
  cr_assert_eq(::setenv("LD_PRELOAD", "/tmp/some.so", 1), 0);
  OwnCode watch({}, root.path());
  Heard heard;
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last("after"), "/tmp/some.so");
}

Test(own_code, a_mapping_of_this_process) {
  OwnCode watch({});
  Heard heard;
  (void)heard.look(watch);
  const int code = ::memfd_create("injected", MFD_CLOEXEC);
  cr_assert_geq(code, 0);
  cr_assert_eq(::ftruncate(code, 4096), 0);
  void* const at = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, code, 0);
  cr_assert_neq(at, MAP_FAILED);
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last_grade(), policy::Grade::critical);
  cr_assert(heard.last("after").starts_with("/memfd:injected"));
}
