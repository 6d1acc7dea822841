#include "daemon/watch/system_file.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/temporary_folder.h"

using namespace akm::watch;

Test(system_file, reads_the_beginning_and_values_without_space) {
  const akm::test::TemporaryFolder folder;
  const std::string path = folder.write("a", " 12 \n");
  cr_assert_eq(*read_system_file(path), " 12 \n");
  cr_assert_eq(*read_system_file(path, 2), " 1");
  cr_assert_eq(*read_system_value(path), "12");
  cr_assert_not(read_system_value(folder.write("b", "\n")).has_value());
  cr_assert_not(read_system_file(folder.file("none")).has_value());
  cr_assert(read_system_file("/proc/self/maps")->find("r-xp") != std::string::npos);
}

Test(system_file, a_pipe_without_a_writer_does_not_hold_it_up) {
  const akm::test::TemporaryFolder folder;
  cr_assert_eq(::mkfifo(folder.file("pipe").c_str(), 0600), 0);
  cr_assert_eq(*read_system_file(folder.file("pipe")), "");
}

Test(system_file, says_where_a_link_goes) {
  const akm::test::TemporaryFolder folder;
  cr_assert_eq(::symlink("/dev/null", folder.file("link").c_str()), 0);
  cr_assert_eq(*read_link(folder.file("link")), "/dev/null");
  cr_assert_not(read_link(folder.write("file", "")).has_value());
}
