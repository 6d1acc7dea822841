#include "daemon/nmm/bundle_target.h"

#include <criterion/criterion.h>

#include "daemon/nmm/bundle_drive.h"
#include "tests/support/loop_drive.h"

using namespace akm;
using namespace akm::nmm;
using akm::service::BlockDevice;
using akm::test::TemporaryFolder;

namespace {

const std::vector<std::uint8_t> kBytes{1, 2, 3};

Errc refusal(const std::string& to, bool force) {
  const auto target = BundleTarget::open(to, force);
  return target ? Errc::internal : target.error().code;
}

BlockDevice stick() {
  BlockDevice out;
  out.name = "sdz1";
  out.node = "/dev/nonexistent";
  out.disk = "sdz";
  out.number = 77;
  out.removable = true;
  return out;
}

Errc verdict(const BlockDevice& device, const std::string& mountinfo, bool force = false) {
  const Status fit = check_drive(device, {device}, mountinfo, force);
  return fit ? Errc::internal : fit.error().code;
}

}  // namespace

Test(bundle_target, a_folder_is_taken_as_it_is) {
  const TemporaryFolder folder;
  auto target = BundleTarget::open(folder.path() + "/", false);
  cr_assert(target.has_value());
  cr_assert_eq(target->path_of("x"), folder.path() + "/x");
  cr_assert(target->finish().has_value());
  cr_assert_eq(refusal(folder.file("none"), false), Errc::not_found);
  cr_assert_eq(refusal(folder.write("file", "x"), false), Errc::io_failed);
}

Test(bundle_target, a_drive_is_mounted_for_the_time_of_writing) {
  NEED_LOOP_DRIVE(drive);
  cr_assert_eq(refusal(drive.node(), false), Errc::refused_by_policy, "a loop device is not removable");
  {
    auto target = BundleTarget::open(drive.node(), true);
    cr_assert(target.has_value(), "%s", target.error().message().c_str());
    const auto path = write_bundle_file(*target, "n", kBytes);
    cr_assert(path.has_value(), "%s", path.error().message().c_str());
    cr_assert_eq(*path, drive.node() + "/n.akmbundle");
    cr_assert_eq(write_bundle_file(*target, "n", kBytes).error().code, Errc::already_exists);
  }
  cr_assert(drive.with_mounted([](const std::string& place) {
    cr_assert_eq(std::filesystem::file_size(place + "/n.akmbundle"), kBytes.size());
    cr_assert_not(std::filesystem::exists(place + "/.n.akmbundle.new"));
  }));
  drive.with_mounted([&drive](const std::string&) {
    cr_assert_eq(refusal(drive.node(), true), Errc::busy, "not removable, and mounted");
  });
  drive.detach();
  drive.attach(true);
  cr_assert_eq(refusal(drive.node(), true), Errc::read_only);
}

Test(bundle_target, a_full_drive_keeps_nothing_of_it) {
  NEED_LOOP_DRIVE(drive, {"mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal"}, "1M");
  cr_assert(drive.with_mounted([](const std::string& place) {
    (void)test::run_program({"dd", "if=/dev/zero", "of=" + place + "/filler", "bs=1k"});
  }));
  auto target = BundleTarget::open(drive.node(), true);
  cr_assert(target.has_value());
  const std::vector<std::uint8_t> large(8192, 1);
  cr_assert_eq(write_bundle_file(*target, "n", large).error().code, Errc::disk_full);
  target = fail(Errc::internal);  // unmounts
  cr_assert(drive.with_mounted([](const std::string& place) {
    cr_assert_not(std::filesystem::exists(place + "/n.akmbundle"));
    cr_assert_not(std::filesystem::exists(place + "/.n.akmbundle.new"));
  }));
}

Test(bundle_target, the_disk_of_the_system_is_refused_also_by_force) {
  const std::string mounted_at_root = "1 0 0:77 / / rw - ext4 x rw\n";
  const std::string mounted_by_a_person = "1 0 0:77 / /media/usb rw - vfat x rw\n";
  cr_assert_eq(verdict(stick(), mounted_at_root, true), Errc::refused_by_policy);
  cr_assert_eq(verdict(stick(), mounted_by_a_person), Errc::internal, "a removable one may be mounted");
  BlockDevice fixed = stick();
  fixed.removable = false;
  cr_assert_eq(verdict(fixed, ""), Errc::refused_by_policy);
  cr_assert_eq(verdict(fixed, "", true), Errc::internal);
  cr_assert_eq(verdict(fixed, mounted_by_a_person, true), Errc::busy);
  BlockDevice held = stick();
  held.held = true;
  cr_assert_eq(verdict(held, "", true), Errc::busy);
  BlockDevice locked = stick();
  locked.read_only = true;
  cr_assert_eq(verdict(locked, ""), Errc::read_only);
}

Test(bundle_target, drives_are_listed_without_touching_the_others) {
  for (const DriveSnapshot& one : list_drives()) cr_assert(one.device.starts_with("/dev/"));
}
