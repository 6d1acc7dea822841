#pragma once
// What tells this running machine from a copy of it.
#include <array>
#include <cstdint>
#include <string>

#include "daemon/base/result.h"
#include "daemon/protocol/machine_evidence.h"

namespace akm::service {

inline constexpr const char* kBootIdFile = "/proc/sys/kernel/random/boot_id";

/// Of the kernel that runs: 16 bytes. io_failed.
Result<std::array<std::uint8_t, 16>> read_boot_id(const std::string& path = kBootIdFile);
/// Boot id and machine id of the kernel and /etc; what cannot be read stays zeros.
protocol::MachineEvidence this_machine(std::uint32_t incarnation, const std::string& boot = kBootIdFile,
                                       const std::string& machine = "/etc/machine-id");

}  // namespace akm::service
