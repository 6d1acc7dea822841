#include "daemon/watch/own_code.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "daemon/base/hex.h"
#include "daemon/crypto/digest.h"
#include "daemon/watch/system_file.h"

namespace akm::watch {
namespace {

using policy::DetectionClass;

constexpr std::size_t kMapsBytes = std::size_t{4} << 20;
constexpr std::size_t kMappingsMax = 512;
constexpr std::string_view kDeleted = " (deleted)";

std::string folder_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

/// A package upgrade removes what is mapped: it is still what it was.
std::string without_deleted(const std::string& name) {
  return name.ends_with(kDeleted) ? name.substr(0, name.size() - kDeleted.size()) : name;
}

bool contains(const std::vector<std::string>& list, const std::string& one) {
  return std::ranges::find(list, one) != list.end();
}

}  // namespace

// proc_pid_maps(5): range, permissions, offset, device, inode, and a name that may have spaces.
std::vector<std::string> executable_mappings(std::string_view maps) {
  std::vector<std::string> out;
  while (!maps.empty() && out.size() < kMappingsMax) {
    const std::size_t end = maps.find('\n');
    std::string_view line = maps.substr(0, end);
    maps = end == std::string_view::npos ? std::string_view() : maps.substr(end + 1);
    const std::size_t permissions = line.find(' ');
    if (permissions == std::string_view::npos || line.size() < permissions + 5 ||
        line[permissions + 3] != 'x')
      continue;
    for (int field = 0; field < 5 && !line.empty(); ++field) {
      const std::size_t space = line.find(' ');
      line = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
    }
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(' ')));
    std::string name(line.empty() ? std::string_view("anonymous") : line);
    if (!contains(out, name)) out.push_back(std::move(name));
  }
  return out;
}

/// A library that is loaded when it is first needed: of a folder that held some at the start or is
/// configured, and nobody but root can have put it there.
bool OwnCode::is_library(const std::string& path) const {
  if (!path.starts_with('/') || path.ends_with(kDeleted)) return false;
  const std::string folder = folder_of(path);
  const bool placed = std::ranges::any_of(
      folders_, [&](const std::string& one) { return (folder + "/").starts_with(one + "/"); });
  if (!placed) return false;
  struct stat info{};
  for (const std::string& one : {folder, path}) {
    if (::stat((root_ + one).c_str(), &info) != 0) return false;
    if (info.st_uid != 0 || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) return false;
  }
  return true;
}

void OwnCode::look_at_mappings(Instant now, const Tell& tell) {
  const auto maps = read_system_file(root_ + "/proc/self/maps", kMapsBytes);
  if (!maps) return;
  for (const std::string& name : executable_mappings(*maps)) {
    if (contains(known_, name) || contains(known_, without_deleted(name))) continue;
    const bool expected = !ready_ || is_library(name);
    if (known_.size() < kMappingsMax) known_.push_back(name);
    if (!ready_) {
      const std::string folder = folder_of(name);
      if (name.starts_with('/') && !name.ends_with(kDeleted) && !folder.empty()) folders_.push_back(folder);
      continue;
    }
    policy::Detection detection =
        seen(DetectionClass::foreign_code, now, {"executable mapping", std::string(kAbsent), name});
    if (expected) detection.at_most = policy::Grade::observe;
    // The kernel puts it there for whoever traces a library: no code of somebody else's.
    if (name == "[uprobes]") detection.at_most = policy::Grade::evidence;
    tell(detection);
  }
}

void OwnCode::look_at_settings(Instant now, const Tell& tell) {
  Facts facts;
  constexpr const char* kPreload = "/etc/ld.so.preload";
  if (const auto text = read_system_file(root_ + kPreload)) {
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(text->data()), text->size());
    facts.emplace(kPreload, text->empty() ? "empty" : "sha256 " + hex(crypto::sha256({bytes})));
  }
  for (const Change& change : settings_.compare(std::move(facts))) {
    policy::Detection detection = seen(DetectionClass::foreign_code, now, change);
    // Without a file, or with an empty one, nothing is loaded.
    if (change.after == kAbsent || change.after == "empty") detection.at_most = policy::Grade::observe;
    tell(detection);
  }
}

void OwnCode::look(Instant now, const Tell& tell) {
  look_at_mappings(now, tell);
  look_at_settings(now, tell);
  if (ready_) return;
  ready_ = true;
  // What was there before us is not new, and the operator should know of it.
  for (const char* name : {"LD_PRELOAD", "LD_AUDIT"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    policy::Detection detection =
        seen(DetectionClass::foreign_code, now, {name, std::string(kAbsent), value});
    detection.at_most = policy::Grade::observe;
    tell(detection);
  }
}

}  // namespace akm::watch
