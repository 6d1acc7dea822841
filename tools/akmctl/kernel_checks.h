#pragma once
// akmctl doctor: what the kernel of this machine has of what AKM uses.
#include "tools/akmctl/health.h"
#include "tools/akmctl/machine.h"

namespace akm::ctl {

/// Version, BTF, security modules, lockdown, bpffs, tracefs, io_uring, secret memory.
Checks kernel_checks(const Machine& machine);
/// Quotas of the kernel's keys, and who is near to them.
Checks keyring_checks(const Machine& machine);
Checks clock_checks(const Machine& machine);
/// The best tier that detections get on this kernel: "lsm", "tracepoint", "fentry" or "user space"; or why it
/// is not known.
std::string tier_of(const Machine& machine);

}  // namespace akm::ctl
