#pragma once
// The machine's block devices by sysfs: which are drives that somebody carries, and which the system lives
// on.
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"

namespace akm::service {

inline constexpr std::size_t kBlockDevicesMax = 1024;  // that are looked at
inline constexpr std::size_t kMountInfoBytes = std::size_t{1} << 20;

struct BlockDevice {
  std::string name;            // "sdb1"
  std::string node;            // "/dev/sdb1"
  std::string disk;            // "sdb"; of a whole disk its own name
  std::string model;           // as the device says, printable
  std::uint64_t bytes = 0;     // 0: no medium
  std::uint64_t sequence = 0;  // of the disk: another medium has another one
  dev_t number = 0;
  bool removable = false;  // by the kernel, by its bus (USB), or by the configuration
  bool read_only = false;
  bool held = false;                    // by another device (LVM, RAID, encryption)
  std::vector<std::string> partitions;  // of a whole disk
};

/// `also`: "/dev/NAME" of devices (whole disks or partitions) that count as removable though the kernel does
/// not say so. Sorted by name.
std::vector<BlockDevice> block_devices(const std::vector<std::string>& also = {},
                                       const std::string& sysfs_root = "/sys");

/// The one with this number, or of a whole disk with a single partition that. not_found; invalid_argument
/// when there are several.
Result<BlockDevice> drive_by_number(const std::vector<BlockDevice>& devices, dev_t number);

/// Where filesystems of that disk, all its partitions, are mounted; `mountinfo` is proc_pid_mountinfo(5).
std::vector<std::string> mount_points_of_disk(const std::vector<BlockDevice>& devices,
                                              const std::string& disk, std::string_view mountinfo);
/// Of this process's mount namespace; empty where /proc is not there.
std::string read_mountinfo();
/// True for "/", "/boot/efi", "/var/lib", ...: a disk that is mounted there is the system's.
bool is_system_mount(std::string_view mount_point);

}  // namespace akm::service
