#include "daemon/service/block_devices.h"

#include <criterion/criterion.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <filesystem>

#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::service;
using akm::test::TemporaryFolder;

namespace {

/// A sysfs with a USB stick (sdb, one partition), the system's disk (sda, two) and a card slot that the
/// kernel does not call removable (mmcblk0).
struct Machine {
  Machine() {
    disk("pci0000:00/ata1/block/sda", "8:0", "0", "1000");
    part("pci0000:00/ata1/block/sda/sda1", "8:1");
    part("pci0000:00/ata1/block/sda/sda2", "8:2");
    std::filesystem::create_directories(folder.file("devices/pci0000:00/ata1/block/sda/sda2/holders/dm-0"));
    disk("pci0000:00/usb2/2-1/2-1:1.0/host6/block/sdb", "8:16", "0", "2048");
    part("pci0000:00/usb2/2-1/2-1:1.0/host6/block/sdb/sdb1", "8:17");
    folder.write("devices/pci0000:00/usb2/2-1/2-1:1.0/host6/block/sdb/device/model", "Stick\x1b[2J\n");
    disk("pci0000:00/mmc0/block/mmcblk0", "179:0", "0", "64");
    disk("pci0000:00/scsi/block/sr0", "11:0", "1", "0");
    folder.write("devices/virtual/block/broken/dev", "x:y");
    link("virtual/block/broken");
  }
  void disk(const std::string& place, const std::string& dev, const std::string& removable,
            const std::string& sectors) {
    folder.write("devices/" + place + "/dev", dev + "\n");
    folder.write("devices/" + place + "/removable", removable + "\n");
    folder.write("devices/" + place + "/size", sectors + "\n");
    folder.write("devices/" + place + "/ro", "0\n");
    folder.write("devices/" + place + "/diskseq", "7\n");
    link(place);
  }
  void part(const std::string& place, const std::string& dev) {
    folder.write("devices/" + place + "/partition", "1\n");
    folder.write("devices/" + place + "/dev", dev + "\n");
    folder.write("devices/" + place + "/size", "8\n");
    link(place);
  }
  void link(const std::string& place) {
    std::filesystem::create_directories(folder.file("class/block"));
    const std::filesystem::path target = folder.file("devices/" + place);
    std::filesystem::create_symlink(target, folder.file("class/block/") + target.filename().string());
  }
  [[nodiscard]] std::vector<BlockDevice> devices(const std::vector<std::string>& also = {}) const {
    return block_devices(also, folder.path());
  }
  TemporaryFolder folder;
};

const BlockDevice& named(const std::vector<BlockDevice>& devices, std::string_view name) {
  const auto found = std::ranges::find(devices, name, &BlockDevice::name);
  cr_assert(found != devices.end(), "no device %s", std::string(name).c_str());
  return *found;
}

}  // namespace

Test(block_devices, drives_and_disks_are_told_apart) {
  const Machine machine;
  const auto devices = machine.devices();
  cr_assert_eq(devices.size(), 7, "what has no device number is none");
  const BlockDevice& stick = named(devices, "sdb1");
  cr_assert(stick.removable, "by its bus");
  cr_assert_eq(stick.node, "/dev/sdb1");
  cr_assert_eq(stick.disk, "sdb");
  cr_assert_eq(stick.bytes, 8U * 512U);
  cr_assert_eq(stick.sequence, 7U);
  cr_assert_eq(stick.number, makedev(8, 17));
  cr_assert_eq(stick.model.find('\x1b'), std::string::npos, "it steers no terminal");
  cr_assert(named(devices, "sr0").removable, "by the kernel's word");
  cr_assert_not(named(devices, "sda1").removable);
  cr_assert(named(devices, "sda2").held);
  cr_assert_not(named(devices, "sda1").held);
  cr_assert_not(named(devices, "mmcblk0").removable);
  cr_assert(named(machine.devices({"/dev/mmcblk0"}), "mmcblk0").removable, "by the configuration");
  cr_assert(block_devices({}, "/nonexistent").empty());
}

Test(block_devices, a_whole_disk_stands_for_its_only_partition) {
  const Machine machine;
  const auto devices = machine.devices();
  cr_assert_eq(drive_by_number(devices, makedev(8, 16))->name, "sdb1");
  cr_assert_eq(drive_by_number(devices, makedev(8, 17))->name, "sdb1");
  const auto several = drive_by_number(devices, makedev(8, 0));
  cr_assert_eq(several.error().code, Errc::invalid_argument);
  cr_assert(several.error().detail.find("/dev/sda2") != std::string::npos);
  cr_assert_eq(drive_by_number(devices, makedev(9, 9)).error().code, Errc::not_found);
}

Test(block_devices, a_mounted_partition_makes_its_disk_one_that_is_mounted) {
  const Machine machine;
  const std::string mountinfo =
      "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
      "23 22 8:17 / /media/usb rw - vfat /dev/sdb1 rw\n"
      "24 22 0:5 / /dev rw - devtmpfs none rw\n"
      "broken\n";
  const auto devices = machine.devices();
  cr_assert(mount_points_of_disk(devices, "sda", mountinfo) == std::vector<std::string>{"/"});
  cr_assert(mount_points_of_disk(devices, "sdb", mountinfo) == std::vector<std::string>{"/media/usb"});
  cr_assert(mount_points_of_disk(devices, "mmcblk0", mountinfo).empty());
  cr_assert(read_mountinfo().find(" / ") != std::string::npos);
}

Test(block_devices, the_system_lives_on_its_folders) {
  for (const char* point : {"/", "/boot", "/boot/efi", "/usr", "/var/lib/akm", "/home"}) {
    cr_assert(is_system_mount(point), "%s", point);
  }
  for (const char* point : {"/media/usb", "/mnt", "/run/media/me/STICK", "/bootstick"}) {
    cr_assert_not(is_system_mount(point), "%s", point);
  }
}
