#pragma once
// Which filesystem a drive holds, by its first bytes: before the kernel is asked to mount anything.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace akm::service {

enum class Filesystem : std::uint8_t { none, vfat, ext4, exfat, ntfs, luks, ambiguous };
/// "vfat", ...: what mount(8) calls the first two.
std::string_view filesystem_name(Filesystem kind);
/// Those that a bundle may come on; all others are refused.
constexpr bool carries_bundles(Filesystem kind) {
  return kind == Filesystem::vfat || kind == Filesystem::ext4;
}

inline constexpr std::size_t kFilesystemHeadBytes = 4096;
/// `head`: up to kFilesystemHeadBytes from the beginning of the device. Two signatures at once are ambiguous:
/// a person who looks at such a drive elsewhere could see another content than we do.
Filesystem filesystem_of(std::span<const std::uint8_t> head);

}  // namespace akm::service
