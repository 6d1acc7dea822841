#pragma once
// A bundle on a drive that came from somewhere: nothing on it is trusted, not even that its names are plain
// files.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/nmm/bundle_target.h"

namespace akm::nmm {

/// Letters, digits, '.', '-', '_'; not first a dot; 1 to 64 bytes: a node's name is a file's name.
Status check_node_name(std::string_view name);

/// already_exists when the target has a bundle of this node; not_found, io_failed.
Status check_bundle_place(const BundleTarget& target, std::string_view node_name);

/// Writes NAME.akmbundle: a new file, synced, under its name only when whole. Follows no symbolic link,
/// replaces nothing (already_exists), mode 0600. Returns the path. io_failed, disk_full, read_only.
Result<std::string> write_bundle_file(BundleTarget& target, std::string_view node_name,
                                      std::span<const std::uint8_t> bytes);

}  // namespace akm::nmm
