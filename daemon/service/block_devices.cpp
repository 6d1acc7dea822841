#include "daemon/service/block_devices.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>

namespace akm::service {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t kSectorBytes = 512;  // of sysfs's "size", whatever the device's own is
constexpr std::size_t kAttributeBytes = 128;

std::string attribute(const fs::path& file) {
  std::ifstream in(file);
  std::array<char, kAttributeBytes> buffer{};
  in.read(buffer.data(), buffer.size());
  std::string out(buffer.data(), static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  // A drive says of itself what it likes: only what can be printed is taken.
  std::ranges::replace_if(out, [](char c) { return c < ' ' || c > '~'; }, ' ');
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

/// "8:17"
std::optional<dev_t> device_number(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto major_number = number(text.substr(0, colon));
  const auto minor_number = number(text.substr(colon + 1));
  if (!major_number || !minor_number || *major_number > UINT32_MAX || *minor_number > UINT32_MAX) {
    return std::nullopt;
  }
  return makedev(static_cast<unsigned>(*major_number), static_cast<unsigned>(*minor_number));
}

bool has_entries(const fs::path& folder) {
  std::error_code error;
  return fs::directory_iterator(folder, error) != fs::directory_iterator();
}

/// ".../usb1/1-1/..." in the device's place in the tree.
bool is_on_usb(const fs::path& place) {
  return std::ranges::any_of(place, [](const fs::path& part) {
    const std::string& name = part.native();
    return name.size() > 3 && name.starts_with("usb") && name[3] >= '0' && name[3] <= '9';
  });
}

std::optional<BlockDevice> look_at(const fs::path& entry) {
  std::error_code error;
  const fs::path place = fs::canonical(entry, error);
  if (error) return std::nullopt;  // it has gone meanwhile
  const auto dev = device_number(attribute(place / "dev"));
  if (!dev) return std::nullopt;
  BlockDevice out;
  out.name = place.filename();
  out.node = "/dev/" + out.name;
  std::ranges::replace(out.node, '!', '/');  // sysfs has no slash in names (cciss!c0d0)
  out.number = *dev;
  const fs::path disk = fs::exists(place / "partition", error) ? place.parent_path() : place;
  out.disk = disk.filename();
  out.model = attribute(disk / "device/vendor") + " " + attribute(disk / "device/model");
  if (out.model.starts_with(' ')) out.model.erase(0, 1);
  out.bytes =
      std::min(number(attribute(place / "size")).value_or(0), UINT64_MAX / kSectorBytes) * kSectorBytes;
  out.sequence = number(attribute(disk / "diskseq")).value_or(0);
  out.removable = attribute(disk / "removable") == "1" || is_on_usb(disk);
  out.read_only = attribute(place / "ro") == "1";
  out.held = has_entries(place / "holders");
  return out;
}

/// The text up to the next space; takes it off.
std::string_view next_word(std::string_view& line) {
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(line.size(), word.size() + 1));
  return word;
}

}  // namespace

std::vector<BlockDevice> block_devices(const std::vector<std::string>& also, const std::string& sysfs_root) {
  std::vector<BlockDevice> out;
  std::error_code error;
  for (fs::directory_iterator entry(fs::path(sysfs_root) / "class/block", error), end;
       !error && entry != end && out.size() < kBlockDevicesMax; entry.increment(error)) {
    if (auto device = look_at(entry->path())) out.push_back(std::move(*device));
  }
  std::ranges::sort(out, {}, &BlockDevice::name);
  for (BlockDevice& device : out) {
    const auto is_listed = [&also](const std::string& name) {
      return std::ranges::find(also, "/dev/" + name) != also.end();
    };
    device.removable = device.removable || is_listed(device.name) || is_listed(device.disk);
    if (device.disk == device.name) continue;
    const auto disk = std::ranges::find(out, device.disk, &BlockDevice::name);
    if (disk != out.end()) disk->partitions.push_back(device.name);
  }
  return out;
}

Result<BlockDevice> drive_by_number(const std::vector<BlockDevice>& devices, dev_t number) {
  const auto found = std::ranges::find(devices, number, &BlockDevice::number);
  if (found == devices.end()) return fail(Errc::not_found, "the kernel knows no such block device");
  if (found->partitions.empty()) return *found;
  if (found->partitions.size() > 1) {
    std::string names;
    for (const std::string& name : found->partitions) names += " /dev/" + name;
    return fail(Errc::invalid_argument, found->node + " has several partitions; name one:" + names);
  }
  const auto partition = std::ranges::find(devices, found->partitions.front(), &BlockDevice::name);
  if (partition == devices.end()) return fail(Errc::not_found, found->node);
  return *partition;
}

std::vector<std::string> mount_points_of_disk(const std::vector<BlockDevice>& devices,
                                              const std::string& disk, std::string_view mountinfo) {
  std::vector<std::string> out;
  while (!mountinfo.empty()) {
    std::string_view line = mountinfo.substr(0, mountinfo.find('\n'));
    mountinfo.remove_prefix(std::min(mountinfo.size(), line.size() + 1));
    (void)next_word(line);  // ids of the mount and its parent
    (void)next_word(line);
    const auto mounted = device_number(next_word(line));
    (void)next_word(line);  // the root within the filesystem
    const std::string_view point = next_word(line);
    const bool ours = mounted && std::ranges::any_of(devices, [&](const BlockDevice& device) {
                        return device.number == *mounted && device.disk == disk;
                      });
    if (ours && !point.empty()) out.emplace_back(point);
  }
  return out;
}

std::string read_mountinfo() {
  std::ifstream in("/proc/self/mountinfo");
  std::string out(kMountInfoBytes, '\0');
  in.read(out.data(), static_cast<std::streamsize>(out.size()));
  out.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  return out;
}

bool is_system_mount(std::string_view mount_point) {
  static constexpr std::array<std::string_view, 8> kOfTheSystem{"/boot", "/efi", "/etc", "/home",
                                                                "/opt",  "/srv", "/usr", "/var"};
  if (mount_point == "/") return true;
  return std::ranges::any_of(kOfTheSystem, [mount_point](std::string_view top) {
    return mount_point.starts_with(top) &&
           (mount_point.size() == top.size() || mount_point[top.size()] == '/');
  });
}

}  // namespace akm::service
