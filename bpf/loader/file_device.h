#pragma once
// The device number that the kernel itself has for a file system, as its programs see it.
#include <sys/stat.h>

#include <cstdint>
#include <istream>
#include <optional>
#include <string>

namespace akm::bpf {

/// A st_dev in the kernel's encoding: major << 20 | minor.
std::uint32_t kernel_device(std::uint64_t device);

/// Of a mount, by its number, from the text of /proc/self/mountinfo.
std::optional<std::uint32_t> device_of_mount(std::istream& mountinfo, std::uint64_t mount);

/// Of the file system of `path`, whose `status` is known. st_dev is something else on btrfs, where each
/// subvolume shows a number of its own.
std::uint32_t file_device(const std::string& path, const struct stat& status);

}  // namespace akm::bpf
