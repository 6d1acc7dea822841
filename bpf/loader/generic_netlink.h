#pragma once
// Numbers of generic netlink families, which the kernel gives out as their modules are loaded.
#include <cstdint>
#include <span>
#include <string_view>

#include "daemon/base/result.h"

namespace akm::bpf {

/// The number of a family that is there; asks for the list of all, since asking for one by its name loads its
/// module. not_found, probe_failed.
Result<std::uint16_t> generic_family(std::string_view name);

/// The same within one message of the kernel's answer; 0 when it is another family's, or no such message.
std::uint16_t family_in(std::span<const std::uint8_t> message, std::string_view name);

}  // namespace akm::bpf
