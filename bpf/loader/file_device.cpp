#include "bpf/loader/file_device.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <fstream>
#include <limits>

namespace akm::bpf {
namespace {

constexpr std::size_t kMountsMax = 100'000;  // what the kernel allows in a namespace (fs.mount-max)

}  // namespace

std::uint32_t kernel_device(std::uint64_t device) {
  return (gnu_dev_major(device) << 20) | gnu_dev_minor(device);
}

std::optional<std::uint32_t> device_of_mount(std::istream& mountinfo, std::uint64_t mount) {
  // "36 35 98:0 /root /mnt ..."
  for (std::size_t i = 0; i < kMountsMax && mountinfo; ++i) {
    std::uint64_t id = 0;
    std::uint64_t parent = 0;
    unsigned major = 0;
    unsigned minor = 0;
    char colon = 0;
    if (!(mountinfo >> id >> parent >> major >> colon >> minor) || colon != ':') return std::nullopt;
    if (id == mount) return kernel_device(gnu_dev_makedev(major, minor));
    mountinfo.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return std::nullopt;
}

std::uint32_t file_device(const std::string& path, const struct stat& status) {
  const std::uint32_t shown = kernel_device(status.st_dev);
  // A block device's number is the file system's.
  if (gnu_dev_major(status.st_dev) != 0) return shown;
  struct statx more{};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_MNT_ID, &more) != 0 || (more.stx_mask & STATX_MNT_ID) == 0)
    return shown;
  std::ifstream mounts("/proc/self/mountinfo");
  return device_of_mount(mounts, more.stx_mnt_id).value_or(shown);
}

}  // namespace akm::bpf
