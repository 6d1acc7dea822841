#include "daemon/service/drive_mount.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "daemon/base/open_beneath.h"
#include "tests/support/loop_drive.h"

using namespace akm;
using namespace akm::service;
using akm::test::LoopDrive;
using Access = DriveMount::Access;

namespace {

BlockDevice device_of(const LoopDrive& drive) {
  return *drive_by_number(block_devices(), drive.number());
}

Errc refusal(const BlockDevice& device, Access access) {
  const auto mount = DriveMount::open(device, access);
  return mount ? Errc::internal : mount.error().code;
}

std::string image_of(const LoopDrive& drive) {
  std::ostringstream out;
  out << std::ifstream(drive.node(), std::ios::binary).rdbuf();
  return out.str();
}

}  // namespace

Test(drive_mount, what_is_written_stays_and_the_mount_is_seen_by_nobody) {
  NEED_LOOP_DRIVE(drive);
  {
    auto mount = DriveMount::open(device_of(drive), Access::write);
    cr_assert(mount.has_value(), "%s", mount.error().message().c_str());
    cr_assert_eq(mount->filesystem(), Filesystem::ext4);
    cr_assert(mount_points_of_disk({device_of(drive)}, device_of(drive).disk, read_mountinfo()).empty());
    const auto file = open_beneath(mount->root(), "a", O_WRONLY | O_CREAT | O_EXCL, "a", 0600);
    cr_assert(file.has_value(), "%s", file.error().message().c_str());
    cr_assert_eq(::write(file->get(), "text", 4), 4);
    cr_assert(mount->sync().has_value());
  }
  const auto again = DriveMount::open(device_of(drive), Access::read);
  cr_assert(open_beneath(again->root(), "a", O_RDONLY, "a").has_value());
  cr_assert_eq(open_beneath(again->root(), "b", O_WRONLY | O_CREAT, "b", 0600).error().code, Errc::read_only);
}

Test(drive_mount, one_that_this_user_may_not_open_is_told_from_a_write_protected_one) {
  NEED_LOOP_DRIVE(drive);
  const BlockDevice device = device_of(drive);
  cr_assert_eq(::seteuid(65534), 0);
  const auto mount = DriveMount::open(device, Access::read);
  cr_assert_eq(::seteuid(0), 0);
  cr_assert_eq(mount.error().code, Errc::refused_by_policy);
  cr_assert(mount.error().detail.contains("may not open"));
}

Test(drive_mount, reading_changes_not_a_byte) {
  NEED_LOOP_DRIVE(drive);
  const std::string before = image_of(drive);
  {
    const auto mount = DriveMount::open(device_of(drive), Access::read);
    cr_assert(mount.has_value());
  }
  cr_assert(image_of(drive) == before);
}

Test(drive_mount, links_and_devices_on_it_lead_nowhere) {
  NEED_LOOP_DRIVE(drive);
  cr_assert(drive.with_mounted([](const std::string& place) {
    std::filesystem::create_symlink("/etc/passwd", place + "/link");
    (void)test::run_program({"mknod", place + "/null", "c", "1", "3"});
  }));
  const auto mount = DriveMount::open(device_of(drive), Access::read);
  cr_assert_lt(::openat(mount->root(), "link", O_RDONLY | O_CLOEXEC), 0, "not even by a careless open");
  cr_assert_lt(::openat(mount->root(), "null", O_RDONLY | O_CLOEXEC), 0);
}

Test(drive_mount, one_that_is_mounted_elsewhere_is_used_as_it_is) {
  NEED_LOOP_DRIVE(drive);
  cr_assert(drive.with_mounted([&drive](const std::string& place) {
    const auto reading = DriveMount::open(device_of(drive), Access::read);
    cr_assert(reading.has_value(), "%s", reading.error().message().c_str());
    auto writing = DriveMount::open(device_of(drive), Access::write);
    cr_assert(writing.has_value());
    cr_assert(open_beneath(writing->root(), "a", O_WRONLY | O_CREAT, "a", 0600).has_value());
    cr_assert(std::filesystem::exists(place + "/a"));
  }));
}

Test(drive_mount, what_is_no_drive_for_bundles_is_refused) {
  NEED_LOOP_DRIVE(empty, std::vector<std::string>{});
  cr_assert_eq(refusal(device_of(empty), Access::read), Errc::refused_by_policy);
  BlockDevice other = device_of(empty);
  other.number = 1;
  cr_assert_eq(refusal(other, Access::read), Errc::not_found, "the name is another device's by now");
  other.node = "/dev/nonexistent";
  cr_assert_eq(refusal(other, Access::read), Errc::not_found);
}

Test(drive_mount, a_damaged_filesystem_is_said) {
  NEED_LOOP_DRIVE(drive);
  {
    std::fstream image(drive.node(), std::ios::binary | std::ios::in | std::ios::out);
    image.seekp(1024);
    for (int i = 0; i < 56; ++i) image.put('\xff');
  }
  const Errc code = refusal(device_of(drive), Access::read);
  cr_assert(code == Errc::malformed || code == Errc::io_failed);
}

Test(drive_mount, a_write_protected_drive_is_read_only) {
  NEED_LOOP_DRIVE(drive);
  drive.detach();
  drive.attach(true);
  const BlockDevice device = device_of(drive);
  cr_assert(device.read_only);
  cr_assert_eq(refusal(device, Access::write), Errc::read_only);
  BlockDevice unsaid = device;
  unsaid.read_only = false;
  cr_assert_eq(refusal(unsaid, Access::write), Errc::read_only, "the kernel says it too");
  cr_assert(DriveMount::open(device, Access::read).has_value());
}
