#include "bpf/loader/probe_health.h"

#include <unistd.h>

namespace akm::bpf {
namespace {

constexpr Group kKeys[] = {Group::keys};
constexpr Group kProcess[] = {Group::process, Group::files};
constexpr Group kFiles[] = {Group::files};
constexpr Group kKernelCode[] = {Group::kernel_code};
constexpr Group kBpf[] = {Group::bpf_use};
constexpr Group kPins[] = {Group::bpf_use, Group::folders, Group::mounts};
constexpr Group kSignals[] = {Group::signals};
constexpr Group kFolders[] = {Group::folders, Group::files};
constexpr Group kMounts[] = {Group::mounts};
constexpr Group kExec[] = {Group::exec};
constexpr Group kCode[] = {Group::files, Group::exec};
constexpr Group kRings[] = {Group::rings};
constexpr Group kSockets[] = {Group::sockets};
constexpr Group kClock[] = {Group::clock};
constexpr Group kLogs[] = {Group::logs, Group::sockets};
constexpr Group kCapabilities[] = {Group::capabilities, Group::exec};

constexpr std::string_view kAttempts = "attempts that the kernel refuses are not seen";

constexpr WatchedRow kRows[] = {
    {"D1", kKeys, "AF_ALG by key number is not seen"},
    {"D2", kProcess, "an io_uring open of our memory into the ring's own table is seen by its path only"},
    {"D3", kFiles, kAttempts},
    {"D4", kFiles, kAttempts},
    {"D5", kKernelCode, ""},
    {"D6", kBpf, "the attributes of bpf() can be changed under the program"},
    {"D7", kPins, "relative names of pins are not seen as they are removed, but at the next check"},
    {"D8", kSignals, kAttempts},
    {"D9", kFiles, kAttempts},
    {"D10", kFolders, "chattr by a descriptor that another thread replaces meanwhile is not seen"},
    {"D11", kMounts, "relative names and mounts by descriptor are not seen"},
    {"D12", kFiles, kAttempts},
    {"D13", kFiles, kAttempts},
    {"D14", kFiles, kAttempts},
    {"D15", kKernelCode, ""},
    {"D16", kExec, "", "a copy of a tool under another name is not seen"},
    {"D17", kExec, "a script that has no file is not seen: its interpreter has one"},
    {"D18", kCode, "code that is mapped into the daemon is not seen"},
    {"D19", kFolders, "a generator or rule that does not bear our name is not seen"},
    {"D20", kRings, "credentials that a request takes on are not seen"},
    {"D24", kSockets, "WireGuard is not seen; XFRM by the opened socket, whatever is asked over it"},
    {"D25", kSockets, "an interface that is made promiscuous without such a socket is not seen"},
    {"D29", kClock, ""},
    {"D30", kLogs, "changes of audit rules are not seen; their number is compared"},
    {"D31", kCapabilities, "seen as capset() and as programs that bring them; not what an exploit gains"},
};

/// 32-bit calls run no system call tracepoints (x86 says so to the tracer), and 64-bit programs can make
/// them. The sysctl is there when the kernel was built with them.
bool has_compat_calls() {
  return ::access("/proc/sys/abi/vsyscall32", F_OK) == 0;
}

void append(std::string& text, std::string_view more) {
  if (more.empty()) return;
  if (!text.empty()) text += "; ";
  text += more;
}

/// The weakest of its groups is what a row can be trusted with.
int strength(std::string_view tier) {
  return tier == "none" ? 0 : tier == "tracepoint" ? 1 : tier == "fentry" ? 2 : 3;
}

ProbeHealth health_of(const WatchedRow& row, const ProbeObject& object) {
  ProbeHealth out{std::string(row.row), {}, true, {}};
  bool by_calls = false;
  for (const Group group : row.groups) {
    const GroupState& state = object.state(group);
    if (out.tier.empty() || strength(state.tier) < strength(out.tier)) out.tier = state.tier;
    by_calls = by_calls || state.tier == "tracepoint";
    if (!state.attached) {
      out.attached = false;
      append(out.detail, std::string(group_name(group)) + ": " + state.reason);
    }
  }
  if (!out.attached) return out;
  if (out.tier == "absent") {
    out.detail = "this kernel has nothing of the kind";
    return out;
  }
  out.detail = row.blind_on_all_tiers;
  if (by_calls) {
    append(out.detail, row.blind_spot);
    if (has_compat_calls())
      append(out.detail, "32-bit calls are not seen (ia32_emulation=0 at boot removes them)");
  }
  return out;
}

}  // namespace

std::span<const WatchedRow> watched_rows() {
  return kRows;
}

std::vector<ProbeHealth> row_health(const ProbeObject& object, const std::string& fanotify_reason) {
  std::vector<ProbeHealth> out;
  for (const WatchedRow& row : kRows) {
    ProbeHealth health = health_of(row, object);
    if (row.row == "D10") {
      if (fanotify_reason.empty()) {
        health.tier = health.tier == "none" ? "fanotify" : health.tier + " + fanotify";
      } else {
        health.attached = false;
        append(health.detail, fanotify_reason);
      }
    }
    out.push_back(std::move(health));
  }
  return out;
}

std::string_view sensor_finding_name(SensorFinding::Kind kind) {
  switch (kind) {
    case SensorFinding::Kind::records_lost:
      return "records-lost";
    case SensorFinding::Kind::probe_gone:
      return "probe-gone";
    case SensorFinding::Kind::silent:
      return "silent";
    case SensorFinding::Kind::folder_replaced:
      return "folder-replaced";
    case SensorFinding::Kind::unwatched:
      return "unwatched";
  }
  return "unknown";
}

}  // namespace akm::bpf
