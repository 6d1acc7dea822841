#include "daemon/service/filesystem_kind.h"

#include <algorithm>

namespace akm::service {
namespace {

using Bytes = std::span<const std::uint8_t>;

bool has(Bytes head, std::size_t at, std::string_view text) {
  return head.size() >= at + text.size() &&
         std::equal(text.begin(), text.end(), head.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

/// The name of the type stands at 54 (FAT12, FAT16) or 82 (FAT32) of a boot sector.
bool is_vfat(Bytes head) {
  if (!has(head, 510, "\x55\xaa")) return false;
  return has(head, 54, "FAT12   ") || has(head, 54, "FAT16   ") || has(head, 82, "FAT32   ");
}

/// The superblock stands at 1024, its magic 0xef53 at 56 of it, little-endian.
bool is_ext(Bytes head) {
  return has(head, 1024 + 56, "\x53\xef");
}

}  // namespace

std::string_view filesystem_name(Filesystem kind) {
  switch (kind) {
    case Filesystem::none:
      return "none that is known";
    case Filesystem::vfat:
      return "vfat";
    case Filesystem::ext4:
      return "ext4";
    case Filesystem::exfat:
      return "exfat";
    case Filesystem::ntfs:
      return "ntfs";
    case Filesystem::luks:
      return "luks";
    case Filesystem::ambiguous:
      return "several at once";
  }
  return {};
}

Filesystem filesystem_of(std::span<const std::uint8_t> head) {
  Filesystem out = Filesystem::none;
  const auto seen = [&out](bool there, Filesystem kind) {
    if (there) out = out == Filesystem::none ? kind : Filesystem::ambiguous;
  };
  seen(is_vfat(head), Filesystem::vfat);
  seen(is_ext(head), Filesystem::ext4);
  seen(has(head, 3, "EXFAT   "), Filesystem::exfat);
  seen(has(head, 3, "NTFS    "), Filesystem::ntfs);
  seen(has(head, 0, "LUKS\xba\xbe"), Filesystem::luks);
  return out;
}

}  // namespace akm::service
