#pragma once
// A kernel observation as user space sees it, after its fields were checked (bpf/include/akm_events.h is the
// raw form).
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace akm::bpf {

/// What was touched, by the rows of docs/detections.md. The role maps it to a detection class.
enum class Watch : std::uint8_t {
  key,            // D1
  process,        // D2
  state,          // D10
  config,         // D10
  inspection,     // D3
  kernel_memory,  // D4
  module,         // D5
  bpf_use,        // D6
  bpf_ours,       // D6
  sensor,         // D7
  signal,         // D8
  tpm,            // D9
  mount,          // D11
  core_dump,      // D12
  hardening,      // D13
  mac,            // D14
  kexec,          // D15
  debugger,       // D16
  fileless,       // D17
  foreign_code,   // D18
  service,        // D19
  io_uring,       // D20
  consumer_keys,  // D24
  packet,         // D25
  clock,          // D29
  privilege,      // D31
  log,            // D30
};
inline constexpr std::size_t kWatchCount = static_cast<std::size_t>(Watch::log) + 1;
std::string_view watch_name(Watch watch);  // "key", ...

/// `refused`: the kernel returned an error to the caller, nothing happened. `unknown`: only the attempt was
/// seen.
enum class Outcome : std::uint8_t { succeeded, refused, unknown };
std::string_view outcome_name(Outcome outcome);

struct ProbeRecord {
  Watch watch = Watch::key;
  Outcome outcome = Outcome::unknown;
  std::string operation;         // "keyctl-read", "ptrace-attach", "open-write", ...
  std::string source;            // the tier: "tracepoint", "io_uring", "fentry", "lsm", "fanotify"
  std::int64_t boottime_ns = 0;  // when the kernel saw it (fanotify: when it was read)
  std::uint32_t pid = 0;         // thread; host's numbers from BPF, ours from fanotify
  std::uint32_t tgid = 0;
  std::optional<std::uint32_t> uid;
  std::string comm;         // printable ASCII, the rest escaped
  std::int32_t serial = 0;  // key, or 0
  std::string path;         // as passed by the caller or a name inside a folder; printable ASCII; may be cut
  std::int64_t result = 0;  // what the call returned, when the outcome is known
  std::uint64_t cgroup_id = 0;
  std::uint64_t argument = 0;            // of the operation (bpf/include/akm_events.h)
  std::uint32_t target = 0;              // the process number that was passed, in the caller's pid namespace
  std::int64_t started_boottime_ns = 0;  // when the process was started: a number may be given again
  std::string executable;  // its file, as far up as the program could read; "..." where it could not
  std::uint64_t executable_inode = 0;
  std::uint32_t executable_device = 0;
  std::string digest;  // SHA-256 in hexadecimal of the program that is started, where the kernel keeps one
  std::uint32_t parent_tgid = 0;
  std::string parent_comm;
  bool unwatched = false;  // made while no heartbeat came
  bool self_test = false;  // provoked by the sensor itself

  /// pid, tgid, uid, comm, cgroup, start, executable, parent: who did it. For policy::Detection::subject.
  [[nodiscard]] std::map<std::string, std::string> subject() const;
  /// operation, outcome, source, key, path, target, error: what was done. For policy::Detection::evidence.
  [[nodiscard]] std::map<std::string, std::string> evidence() const;
};

/// Hostile bytes as text that a terminal, D-Bus and a journal can bear: printable ASCII, "\xNN" for the rest;
/// stops at a NUL and at `limit` bytes of input.
std::string printable(std::string_view bytes, std::size_t limit);

}  // namespace akm::bpf
