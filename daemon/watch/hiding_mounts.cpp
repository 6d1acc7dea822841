#include "daemon/watch/hiding_mounts.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <utility>

#include "daemon/watch/mount_table.h"
#include "daemon/watch/system_file.h"

namespace akm::watch {
namespace {

constexpr std::size_t kTableBytes = std::size_t{4} << 20;

std::string text_of(const Mount& mount) {
  return mount.kind + " " + mount.source + " " + mount.root + " on " + mount.point + " (mount " +
         std::to_string(mount.id) + ")";
}

}  // namespace

HidingMounts::HidingMounts(std::vector<std::string> paths, std::string pins, std::string proc)
    : paths_(std::move(paths)), pins_(std::move(pins)), proc_(std::move(proc)) {
  table_.reset(::open((proc_ + "/self/mountinfo").c_str(), O_RDONLY | O_CLOEXEC));
}

void HidingMounts::add(Facts& facts, const std::string& process, const std::string& prefix) const {
  const auto text = read_system_file(proc_ + "/" + process + "/mountinfo", kTableBytes);
  if (!text) return;
  const std::vector<Mount> mounts = parse_mount_table(*text);
  const auto look_at = [&](const std::string& path) {
    if (const Mount* one = mount_of(mounts, path)) facts[prefix + path] = text_of(*one);
    for (const Mount& one : mounts) {
      if (one.point.starts_with(path + "/")) facts[prefix + one.point] = text_of(one);
    }
  };
  for (const std::string& path : paths_) look_at(path);
  if (!pins_.empty()) look_at(pins_);
}

void HidingMounts::compare_pins(Instant now, const Tell& tell) {
  Facts facts;
  struct stat info{};
  if (!pins_.empty() && ::stat(pins_.c_str(), &info) == 0) {
    facts.emplace(pins_, "device " + std::to_string(info.st_dev) + " inode " + std::to_string(info.st_ino));
  }
  for (const Change& change : pin_folder_.compare(std::move(facts))) {
    // It is made by the sensor when that loads.
    if (change.before == kAbsent) {
      pin_folder_.accept(change.name);
      continue;
    }
    tell(seen(policy::DetectionClass::sensor_tampering, now, change));
  }
}

void HidingMounts::look(Instant now, const Tell& tell) {
  Facts facts;
  add(facts, "self", "");
  const auto own = read_link(proc_ + "/self/ns/mnt");
  const auto first = read_link(proc_ + "/1/ns/mnt");
  if (own && first && *own != *first) add(facts, "1", "namespace of process 1: ");
  for (const Change& change : mounts_.compare(std::move(facts))) {
    const bool pins = !pins_.empty() && change.name.ends_with(pins_);
    tell(seen(pins ? policy::DetectionClass::sensor_tampering : policy::DetectionClass::hiding_mount, now,
              change));
  }
  compare_pins(now, tell);
}

}  // namespace akm::watch
