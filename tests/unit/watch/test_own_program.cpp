#include "daemon/watch/own_program.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;

namespace {

/// A program that runs: its content stays, whatever becomes of the path.
struct Bench {
  test::TemporaryFolder folder;
  std::string path = folder.write("sbin/akmd", "program");
  std::string running = folder.write("running", "program");
  test::Heard heard;
  OwnProgram watch{path, running};

  std::size_t look() { return heard.look(watch); }
};

}  // namespace

Test(own_program, one_that_stays_is_silent) {
  Bench bench;
  bench.look();
  bench.look();
  cr_assert(bench.heard.all.empty());
  cr_assert_not(bench.watch.nudged());
}

Test(own_program, another_one_in_its_place_is_told_with_both_digests) {
  Bench bench;
  bench.look();
  const std::string other = bench.folder.write("sbin/new", "another");
  cr_assert_not(bench.watch.nudged(), "what others keep beside it");
  std::filesystem::rename(other, bench.path);
  cr_assert(bench.watch.nudged());
  cr_assert_eq(bench.look(), 1);
  const policy::Detection& told = bench.heard.all[0];
  cr_assert_eq(told.detection, policy::DetectionClass::service_tampering);
  cr_assert_eq(bench.heard.last_grade(), policy::Grade::evidence);
  cr_assert_eq(told.evidence.at("what"), bench.path);
  cr_assert_neq(told.evidence.at("running_sha256"), told.evidence.at("file_sha256"));
}

Test(own_program, one_that_was_written_over_is_told) {
  Bench bench;
  bench.look();
  (void)bench.folder.write("sbin/akmd", "PROGRAM");
  cr_assert_eq(bench.look(), 1);
}

Test(own_program, the_same_once_more_is_an_observation) {
  Bench bench;
  bench.look();
  std::filesystem::rename(bench.folder.write("sbin/new", "program"), bench.path);
  cr_assert_eq(bench.look(), 1);
  cr_assert_eq(bench.heard.last_grade(), policy::Grade::observe);
}

Test(own_program, one_that_is_removed_is_told) {
  Bench bench;
  bench.look();
  std::filesystem::remove(bench.path);
  cr_assert_eq(bench.look(), 1);
  cr_assert_eq(bench.heard.last("after"), "absent");
  cr_assert_not(bench.heard.all[0].evidence.contains("file_sha256"));
}
