#pragma once
// Where a program runs, for allow-lists: the path of a cgroup by the number that the kernel records.
#include <cstdint>
#include <optional>
#include <string>

namespace akm::sentry {

/// As /proc/PID/cgroup has it, "/system.slice/x.service", from the root of the hierarchy (cgroup v2) that is
/// mounted at `mount`. None when it is gone, or where there is no such hierarchy.
std::optional<std::string> cgroup_path(std::uint64_t id, const std::string& mount = "/sys/fs/cgroup");

}  // namespace akm::sentry
