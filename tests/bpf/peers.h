#pragma once
// What one would use instead to be told of a system call: bpftrace that prints to a pipe, and the kernel's
// audit (what auditd reads). Both as fast as they can be had: the reader waits and does nothing else.
#include <functional>
#include <vector>

namespace akm::bpf::test {

/// Microseconds from the kernel's time of the call to the line in the reader; empty where bpftrace is not
/// installed. `calls` calls of keyctl are made by `attack` in a child process.
std::vector<double> bpftrace_round(std::size_t calls, const std::function<void()>& attack);

/// Microseconds from just before the call to its SYSCALL record on the audit socket. `attack` is given the
/// number of the call. Empty where the kernel's audit cannot be had. Its rule and the switch are taken back
/// at the end.
std::vector<double> audit_round(std::size_t calls, const std::function<void()>& call);

}  // namespace akm::bpf::test
