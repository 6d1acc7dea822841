#include "daemon/sentry/cgroup_path.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"

using namespace akm;

namespace {

std::uint64_t inode(const std::string& path) {
  struct stat info{};
  cr_assert_eq(::stat(path.c_str(), &info), 0);
  return info.st_ino;
}

}  // namespace

Test(cgroup_path, a_number_becomes_the_path) {
  const test::TemporaryFolder folder;
  // In a mount namespace of its own: nothing of it stays.
  const bool mounted = ::unshare(CLONE_NEWNS) == 0 &&
                       ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                       ::mount("none", folder.path().c_str(), "cgroup2", 0, nullptr) == 0;
  if (!mounted) cr_skip_test("needs root and cgroup v2");
  const std::string name = "/akm-test-" + std::to_string(::getpid());
  const std::string path = folder.path() + name;
  cr_assert(std::filesystem::create_directory(path));
  const std::uint64_t id = inode(path);
  const auto found = sentry::cgroup_path(id, folder.path());
  const auto root = sentry::cgroup_path(inode(folder.path()), folder.path());
  cr_assert_eq(::rmdir(path.c_str()), 0);
  const auto gone = sentry::cgroup_path(id, folder.path());
  cr_assert_eq(::umount2(folder.path().c_str(), MNT_DETACH), 0);
  cr_assert(found.has_value());
  cr_assert_eq(*found, name);
  cr_assert_eq(root.value_or("none"), "/");
  cr_assert_not(gone.has_value());
}

Test(cgroup_path, without_a_hierarchy_there_is_none) {
  cr_assert_not(sentry::cgroup_path(1, "/proc").has_value());
  cr_assert_not(sentry::cgroup_path(1, "/nonexistent").has_value());
}
