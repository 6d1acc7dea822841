#pragma once
// D30: the log services and the kernel's audit.
#include <span>
#include <string>
#include <utility>

#include "daemon/watch/aside_watch.h"

namespace akm::watch {

/// Adds "running" for each service that has a process in its control group below `sys`/fs/cgroup.
void add_running_services(Facts& facts, const std::string& sys, std::span<const char* const> services);
/// journald, auditd and syslog services that run ("systemd-journald.service": "running"), by their control
/// groups in `sys`/fs/cgroup, and status, daemon and number of rules of the kernel's audit where we may ask.
/// timed_out where the kernel's audit is too busy to answer: that is not the same as switched off.
Result<Facts> audit_facts(const std::string& sys = "/sys");
/// Tells what stopped, went or became fewer.
void judge_audit(const Differences& differences, Instant now, const Tell& tell);

}  // namespace akm::watch
