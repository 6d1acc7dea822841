#include "daemon/watch/hiding_mounts.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Heard;

namespace {

/// In a mount namespace of its own, so that nothing of this is seen outside.
void own_mounts() {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    cr_skip_test("needs root for mounts of its own");
}

}  // namespace

Test(hiding_mounts, one_over_a_path_is_told_at_once_and_its_end_is_told) {
  own_mounts();
  const test::TemporaryFolder folder;
  const std::string state = folder.file("state");
  std::filesystem::create_directories(state);
  HidingMounts watch({state}, "");
  Heard heard;
  cr_assert_eq(heard.look(watch), 0);
  cr_assert_eq(::mount("none", state.c_str(), "tmpfs", 0, nullptr), 0);
  pollfd ready{watch.fd(), watch.events(), 0};
  cr_assert_eq(::poll(&ready, 1, 1000), 1, "the kernel says that a mount changed");
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last_class(), policy::DetectionClass::hiding_mount);
  cr_assert_eq(heard.last_grade(), policy::Grade::evidence);
  cr_assert(heard.last("after").starts_with("tmpfs "));
  cr_assert_eq(heard.look(watch), 0);
  cr_assert_eq(::umount(state.c_str()), 0);
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last("change"), "back");
}

Test(hiding_mounts, above_and_below_count_and_elsewhere_does_not) {
  own_mounts();
  const test::TemporaryFolder folder;
  const std::string state = folder.file("above/state");
  std::filesystem::create_directories(state + "/below");
  std::filesystem::create_directories(folder.file("elsewhere"));
  std::filesystem::create_directories(folder.file("above/stately"));
  HidingMounts watch({state}, "");
  Heard heard;
  (void)heard.look(watch);
  cr_assert_eq(::mount("none", folder.file("elsewhere").c_str(), "tmpfs", 0, nullptr), 0);
  cr_assert_eq(::mount("none", folder.file("above/stately").c_str(), "tmpfs", 0, nullptr), 0);
  cr_assert_eq(heard.look(watch), 0);
  cr_assert_eq(::mount("/tmp", (state + "/below").c_str(), nullptr, MS_BIND, nullptr), 0);
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last("what"), state + "/below");
  cr_assert_eq(::mount("none", folder.file("above").c_str(), "tmpfs", 0, nullptr), 0);
  cr_assert_geq(heard.look(watch), 1);
}

Test(hiding_mounts, pins_that_are_hidden_or_replaced_are_critical) {
  own_mounts();
  const test::TemporaryFolder folder;
  const std::string pins = folder.file("pins");
  HidingMounts watch({}, pins);
  Heard heard;
  cr_assert_eq(heard.look(watch), 0);
  std::filesystem::create_directories(pins);
  cr_assert_eq(heard.look(watch), 0, "the sensor makes them when it loads");
  std::filesystem::rename(pins, folder.file("old"));
  std::filesystem::create_directories(pins);
  cr_assert_eq(heard.look(watch), 1);
  cr_assert_eq(heard.last_class(), policy::DetectionClass::sensor_tampering);
  cr_assert_eq(heard.last_grade(), policy::Grade::critical);
  cr_assert_eq(::mount("none", pins.c_str(), "tmpfs", 0, nullptr), 0);
  cr_assert_geq(heard.look(watch), 1);
  cr_assert_eq(heard.last_class(), policy::DetectionClass::sensor_tampering);
}
