#include "daemon/watch/audit_state.h"

#include <linux/audit.h>

#include <array>
#include <charconv>
#include <cstring>

#include "daemon/watch/netlink.h"
#include "daemon/watch/system_file.h"

namespace akm::watch {
namespace {

using policy::DetectionClass;

constexpr auto kServices = std::to_array<const char*>(
    {"systemd-journald.service", "auditd.service", "rsyslog.service", "syslog-ng.service"});

/// An answer that does not come is no answer; a kernel that refuses to say, or has no audit, is one.
Status add_kernel_audit(Facts& facts) {
  auto netlink = Netlink::open(NETLINK_AUDIT);
  if (!netlink) return {};
  audit_status status{};
  bool answered = false;
  const Status asked =
      netlink->ask(AUDIT_GET, 0, {}, [&](std::uint16_t type, std::span<const std::uint8_t> payload) {
        if (type != AUDIT_GET) return;
        std::memcpy(&status, payload.data(), std::min(payload.size(), sizeof status));
        answered = true;
      });
  if (!asked && asked.error().code == Errc::timed_out) return asked;
  if (!asked || !answered) return {};
  facts["kernel audit"] = status.enabled == 0 ? "off" : "on";
  facts["audit daemon"] = status.pid == 0 ? "none" : "running";
  std::size_t rules = 0;
  AKM_TRY(netlink->ask(AUDIT_LIST_RULES, 0, {},
                       [&](std::uint16_t type, std::span<const std::uint8_t> /*payload*/) {
                         if (type == AUDIT_LIST_RULES) ++rules;
                       }));
  facts["audit rules"] = std::to_string(rules);
  return {};
}

std::size_t number(const std::string& text) {
  std::size_t out = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

bool is_weaker(const Change& change) {
  if (change.before == kAbsent) return false;
  if (change.name == "audit rules") return number(change.after) < number(change.before);
  return change.after == kAbsent || change.after == "off" || change.after == "none";
}

}  // namespace

void add_running_services(Facts& facts, const std::string& sys, std::span<const char* const> services) {
  for (const char* service : services) {
    // With one hierarchy, and as systemd mounts its own beside older ones.
    for (const char* hierarchy : {"/fs/cgroup/system.slice/", "/fs/cgroup/systemd/system.slice/"}) {
      const auto processes = read_system_file(sys + hierarchy + service + "/cgroup.procs");
      if (processes && !processes->empty()) facts[service] = "running";
    }
  }
}

Result<Facts> audit_facts(const std::string& sys) {
  Facts out;
  add_running_services(out, sys, kServices);
  AKM_TRY(add_kernel_audit(out));
  return out;
}

void judge_audit(const Differences& differences, Instant now, const Tell& tell) {
  for (const Change& change : differences.changes) {
    if (!change.back && !is_weaker(change)) {
      differences.baseline.accept(change.name);
      continue;
    }
    tell(seen(DetectionClass::audit_impaired, now, change));
  }
}

}  // namespace akm::watch
