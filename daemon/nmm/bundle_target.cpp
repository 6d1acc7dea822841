#include "daemon/nmm/bundle_target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace akm::nmm {
namespace {

using service::BlockDevice;

/// Swap, RAID, LVM and mounts of other namespaces claim a device; opening it exclusively tells.
bool is_claimed(const BlockDevice& device) {
  const UniqueFd fd(::open(device.node.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK));
  return !fd && errno == EBUSY;
}

/// The folder itself may stand behind symbolic links of the host (/media/..); what lies in it may not.
Result<UniqueFd> open_folder(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno(errno == ENOENT ? Errc::not_found : Errc::io_failed, path);
  return fd;
}

}  // namespace

Status check_drive(const BlockDevice& device, const std::vector<BlockDevice>& devices,
                   const std::string& mountinfo, bool force) {
  const auto points = service::mount_points_of_disk(devices, device.disk, mountinfo);
  const auto of_system = std::ranges::find_if(points, service::is_system_mount);
  if (of_system != points.end()) {
    return fail(Errc::refused_by_policy,
                device.node + " is on a disk that this system runs from (" + *of_system + ")");
  }
  if (device.held)
    return fail(Errc::busy, device.node + " is part of another device (LVM, RAID, encryption)");
  if (!device.removable && !force) {
    return fail(Errc::refused_by_policy,
                device.node + " is not a removable drive; --force takes it all the same");
  }
  if (!device.removable && !points.empty()) {
    return fail(Errc::busy, device.node + " is no removable drive and is mounted at " + points.front());
  }
  if (device.read_only) return fail(Errc::read_only, device.node + " is write-protected");
  if (points.empty() && is_claimed(device))
    return fail(Errc::busy, device.node + " is used by something else");
  return {};
}

Result<BundleTarget> BundleTarget::open(const std::string& to, bool force) {
  BundleTarget out;
  out.place_ = to;
  while (out.place_.size() > 1 && out.place_.ends_with('/')) out.place_.pop_back();
  struct stat info{};
  if (::stat(to.c_str(), &info) != 0) {
    return fail_errno(errno == ENOENT || errno == ENOTDIR ? Errc::not_found : Errc::io_failed, to);
  }
  if (!S_ISBLK(info.st_mode)) {
    AKM_ASSIGN(out.folder_, open_folder(to));
    return out;
  }
  const auto devices = service::block_devices();
  AKM_ASSIGN(const BlockDevice device, service::drive_by_number(devices, info.st_rdev));
  AKM_TRY(check_drive(device, devices, service::read_mountinfo(), force));
  out.place_ = device.node;
  AKM_ASSIGN(out.drive_, service::DriveMount::open(device, service::DriveMount::Access::write));
  return out;
}

Status BundleTarget::finish() {
  return drive_ ? drive_->sync() : Status{};
}

std::vector<DriveSnapshot> list_drives() {
  std::vector<DriveSnapshot> out;
  const auto devices = service::block_devices();
  const std::string mountinfo = service::read_mountinfo();
  for (const BlockDevice& device : devices) {
    if (!device.removable || device.bytes == 0 || !device.partitions.empty()) continue;
    DriveSnapshot one;
    one.device = device.node;
    one.model = device.model;
    one.bytes = device.bytes;
    const auto kind = service::filesystem_on(device);
    if (kind) one.filesystem = service::filesystem_name(*kind);
    one.mounted_at = service::mount_points_of_disk({device}, device.disk, mountinfo);
    Status fit = check_drive(device, devices, mountinfo, false);
    if (fit && !kind) fit = std::unexpected(kind.error());
    if (fit && !service::carries_bundles(*kind))
      fit = fail(Errc::refused_by_policy, "vfat or ext4 is needed");
    if (!fit) one.refusal = fit.error().message();
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace akm::nmm
