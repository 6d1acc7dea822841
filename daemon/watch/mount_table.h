#pragma once
// /proc/PID/mountinfo: which mount a path is on.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace akm::watch {

/// Lines that are read; a machine full of containers has some thousands.
inline constexpr std::size_t kMountsMax = 16384;

struct Mount {
  std::uint64_t id = 0;
  std::string root;    // of the file system
  std::string point;   // where it is
  std::string kind;    // "ext4", "overlay"
  std::string source;  // device
};

/// In the order of the table: what is mounted over another stands after it. Lines that make no sense are left
/// out.
std::vector<Mount> parse_mount_table(std::string_view text);
/// The mount that a lookup of the absolute `path` ends on; none for an empty table.
const Mount* mount_of(const std::vector<Mount>& mounts, std::string_view path);

}  // namespace akm::watch
