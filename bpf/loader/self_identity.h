#pragma once
// Who "we" are for a BPF program: our process number inside our own pid namespace, and which namespace that
// is.
#include <cstdint>

#include "bpf/include/akm_events.h"
#include "daemon/base/result.h"

namespace akm::bpf {

struct SelfIdentity {
  std::uint32_t tgid = 0;
  std::uint64_t pid_ns_device = 0;
  std::uint64_t pid_ns_inode = 0;
  std::uint32_t mount_ns = 0;       // inode number
  std::uint32_t host_mount_ns = 0;  // of process 1; ours where it cannot be asked
};

/// probe_failed when /proc is not there or belongs to another pid namespace.
Result<SelfIdentity> self_identity();
/// Where the programs read it.
void tell(const SelfIdentity& identity, akm_control& control);

}  // namespace akm::bpf
