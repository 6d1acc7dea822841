#pragma once
// What the kernel keeps from BPF programs, in words: libbpf says "No such process" where there is no BTF.
#include <string>

namespace akm::bpf {

/// Half sentences, each with a blank before it; empty when nothing stands in the way. `sys` is the mount of
/// sysfs.
std::string kernel_gaps(const std::string& sys = "/sys");

}  // namespace akm::bpf
