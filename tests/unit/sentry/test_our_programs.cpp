#include "daemon/sentry/our_programs.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "bpf/loader/file_device.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::sentry;

namespace {

bpf::ProbeRecord run_by(const std::string& path) {
  struct stat status{};
  cr_assert_eq(::stat(path.c_str(), &status), 0);
  bpf::ProbeRecord out;
  out.executable_device = bpf::file_device(path, status);
  out.executable_inode = status.st_ino;
  return out;
}

std::string make(const std::string& path, mode_t mode) {
  std::ofstream(path) << "x";
  cr_assert_eq(::chmod(path.c_str(), mode), 0);
  return path;
}

}  // namespace

Test(our_programs, we_are_one_and_nobody_knows_no_file) {
  cr_assert(OurPrograms().ran(run_by("/proc/self/exe")));
  cr_assert_not(OurPrograms().ran(run_by("/bin/true")));
  cr_assert_not(OurPrograms().ran(bpf::ProbeRecord{}));
}

Test(our_programs, the_daemons_beside_us_are_named) {
  const auto paths = OurPrograms::beside_us();
  cr_assert_eq(paths.size(), 3);
  const std::string own = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  cr_assert_eq(paths[1], own + "/akm-nmmd");
}

Test(our_programs, a_name_alone_makes_nobody_ours) {
  test::TemporaryFolder folder;
  const std::string ours = make(folder.path() + "/akmd", 0755);
  const OurPrograms programs({ours, folder.path() + "/akm-rootd"});
  cr_assert(programs.ran(run_by(ours)));
  // The same name and content elsewhere, and in its place: other files.
  std::filesystem::create_directory(folder.path() + "/other");
  cr_assert_not(programs.ran(run_by(make(folder.path() + "/other/akmd", 0755))));
  cr_assert_not(programs.ran(run_by(make(folder.path() + "/akm-rootd", 0755))),
                "it was not there at our start");
  std::filesystem::rename(folder.path() + "/other/akmd", ours);
  cr_assert_not(programs.ran(run_by(ours)));
}

Test(our_programs, what_others_may_write_is_not_ours) {
  test::TemporaryFolder folder;
  const std::string loose = make(folder.path() + "/akmd", 0775);
  cr_assert_not(OurPrograms({loose}).ran(run_by(loose)));
  if (::geteuid() != 0) return;
  const std::string foreign = make(folder.path() + "/akm-nmmd", 0755);
  cr_assert_eq(::chown(foreign.c_str(), 12345, 12345), 0);
  cr_assert_not(OurPrograms({foreign}).ran(run_by(foreign)));
}
