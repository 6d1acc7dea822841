#pragma once
// What tells this running machine from a copy of it.
#include <cstdint>
#include <string>

#include "daemon/protocol/machine_evidence.h"

namespace akm::service {

/// Boot id and machine id of the kernel and /etc; what cannot be read stays zeros.
protocol::MachineEvidence this_machine(std::uint32_t incarnation,
                                       const std::string& boot = "/proc/sys/kernel/random/boot_id",
                                       const std::string& machine = "/etc/machine-id");

}  // namespace akm::service
