#pragma once
// Files of /proc, /sys and /etc, below a root that a test can put elsewhere.
#include <cstddef>
#include <optional>
#include <string>

#include "daemon/base/result.h"

namespace akm::watch {

inline constexpr std::size_t kSystemFileBytes = std::size_t{1} << 20;

/// The beginning of the file, whatever length it says it has. not_found, not_authorized, or io_failed: it may
/// be there, only that it cannot be looked at now. Never waits for the other end of a pipe.
Result<std::string> read_system_file(const std::string& path, std::size_t most = kSystemFileBytes);
/// The same without the white space around it; not_found for an empty one.
Result<std::string> read_system_value(const std::string& path);
/// Where a symbolic link goes.
std::optional<std::string> read_link(const std::string& path);

}  // namespace akm::watch
