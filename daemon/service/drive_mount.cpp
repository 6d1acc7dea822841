#include "daemon/service/drive_mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

namespace akm::service {
namespace {

constexpr unsigned kNoSymlinkFollowing = 0x00200000;  // MOUNT_ATTR_NOSYMFOLLOW, newer than these headers

std::unexpected<Error> refused(const std::string& node, int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENXIO:
    case ENODEV:
    case ENOMEDIUM:
      return fail(Errc::not_found, node + " was taken away, or holds no medium");
    case EACCES:
    case EROFS:
      return fail(Errc::read_only, node + " is write-protected");
    case EBUSY:
      return fail(Errc::busy, node + " is used by something else, or is mounted read-only elsewhere");
    case EINVAL:
    case EBADMSG:
    case EUCLEAN:
      return fail(Errc::malformed, node + ": its filesystem is damaged");
    default:
      return fail_errno(Errc::io_failed, node, error_number);
  }
}

Result<UniqueFd> open_device(const BlockDevice& device) {
  UniqueFd fd(::open(device.node.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  if (!fd && errno == EPERM)  // by the unit's group of devices
    return fail(Errc::refused_by_policy,
                device.node + " is closed to this service: a drop-in of its unit with DeviceAllow= opens it");
  if (!fd && errno == EACCES)
    return fail(Errc::refused_by_policy,
                "this service may not open " + device.node + ": its owner and mode, or an AppArmor profile");
  if (!fd) return refused(device.node, errno);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(Errc::io_failed, device.node);
  if (!S_ISBLK(info.st_mode) || info.st_rdev != device.number) {
    return fail(Errc::not_found, device.node + " is another device by now");
  }
  return fd;
}

Result<Filesystem> filesystem_of_open(int fd, const std::string& node) {
  std::array<std::uint8_t, kFilesystemHeadBytes> head{};
  const ssize_t got = ::pread(fd, head.data(), head.size(), 0);
  if (got < 0) return refused(node, errno);
  if (got == 0) return refused(node, ENOMEDIUM);
  return filesystem_of(std::span(head).first(static_cast<std::size_t>(got)));
}

int configure(int context, unsigned command, const char* key, const char* value) {
  return static_cast<int>(::syscall(SYS_fsconfig, context, command, key, value, 0));
}

/// The context of a new superblock, or of the one that is there.
Result<UniqueFd> make_superblock(int device, const BlockDevice& what, Filesystem kind, bool read_only) {
  const std::string type(filesystem_name(kind));
  UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC)));
  if (!context && errno == ENODEV) return fail(Errc::not_supported, "this kernel cannot mount " + type);
  if (!context) return fail_errno(Errc::io_failed, "fsopen");
  // The device that was looked at, whatever its name is given to meanwhile.
  const std::string source = "/proc/self/fd/" + std::to_string(device);
  struct Option {
    const char* key;
    const char* value;  // null: a flag
  };
  std::vector<Option> options{{"source", source.c_str()},
                              {"errors", "remount-ro"}};  // a drive may ask for panic
  if (kind == Filesystem::vfat) options.insert(options.end(), {{"fmask", "0177"}, {"dmask", "0077"}});
  if (read_only) options.push_back({"ro", nullptr});
  if (read_only && kind == Filesystem::ext4) options.push_back({"noload", nullptr});
  for (const Option& option : options) {
    const unsigned command = option.value != nullptr ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
    if (configure(context.get(), command, option.key, option.value) != 0) {
      return fail_errno(Errc::io_failed, type + " option " + option.key);
    }
  }
  if (configure(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr) != 0) return refused(what.node, errno);
  return context;
}

Result<UniqueFd> mount_nowhere(int context, bool read_only) {
  const unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
                              (read_only ? static_cast<unsigned>(MOUNT_ATTR_RDONLY) : 0U);
  const auto mount = [context](unsigned with) {
    return UniqueFd(static_cast<int>(::syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, with)));
  };
  UniqueFd root = mount(attributes | kNoSymlinkFollowing);
  if (!root && errno == EINVAL)
    root = mount(attributes);  // before Linux 5.14; open_beneath follows none either
  if (!root) return fail_errno(Errc::io_failed, "fsmount");
  return root;
}

}  // namespace

Result<Filesystem> filesystem_on(const BlockDevice& device) {
  AKM_ASSIGN(const UniqueFd fd, open_device(device));
  return filesystem_of_open(fd.get(), device.node);
}

Result<DriveMount> DriveMount::open(const BlockDevice& device, Access access) {
  const bool read_only = access == Access::read;
  if (!read_only && device.read_only) return refused(device.node, EROFS);
  AKM_ASSIGN(const UniqueFd fd, open_device(device));
  DriveMount out;
  out.name_ = device.node;
  AKM_ASSIGN(out.filesystem_, filesystem_of_open(fd.get(), device.node));
  if (!carries_bundles(out.filesystem_)) {
    return fail(Errc::refused_by_policy, device.node + " has to hold vfat or ext4; its filesystem: " +
                                             std::string(filesystem_name(out.filesystem_)));
  }
  auto context = make_superblock(fd.get(), device, out.filesystem_, read_only);
  // A desktop has mounted it for writing: that superblock is shared, and only this mount of it is read-only.
  if (!context && context.error().code == Errc::busy && read_only) {
    context = make_superblock(fd.get(), device, out.filesystem_, false);
  }
  if (!context) return std::unexpected(context.error());
  AKM_ASSIGN(out.mount_, mount_nowhere(context->get(), read_only));
  // fsmount gives an O_PATH descriptor, which cannot be listed or synced.
  out.root_.reset(::openat(out.mount_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!out.root_) return fail_errno(Errc::io_failed, "the root of " + device.node);
  return out;
}

Status DriveMount::sync() {
  if (::syncfs(root_.get()) != 0) return fail_errno(Errc::io_failed, name_);
  return {};
}

}  // namespace akm::service
