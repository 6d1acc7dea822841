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

/// What was touched. The role maps it to a detection class; D1, D2, D10 state, D10 configuration.
enum class Watch : std::uint8_t { key, process, state, config };
std::string_view watch_name(Watch watch);  // "key", ...

/// `refused`: the kernel returned an error to the caller, nothing happened. `unknown`: only the attempt was
/// seen.
enum class Outcome : std::uint8_t { succeeded, refused, unknown };
std::string_view outcome_name(Outcome outcome);

struct ProbeRecord {
  Watch watch = Watch::key;
  Outcome outcome = Outcome::unknown;
  std::string operation;         // "keyctl-read", "ptrace-attach", "open-write", ...
  std::string source;            // "tracepoint", "io_uring", "fanotify", "folder-check"
  std::int64_t boottime_ns = 0;  // when the kernel saw it (fanotify: when it was read)
  std::uint32_t pid = 0;         // thread; host's numbers from BPF, ours from fanotify
  std::uint32_t tgid = 0;
  std::optional<std::uint32_t> uid;
  std::string comm;         // printable ASCII, the rest escaped
  std::int32_t serial = 0;  // key, or 0
  std::string path;         // as passed by the caller or a name inside a folder; printable ASCII; may be cut
  std::int64_t result = 0;  // what the call returned, when the outcome is known
  std::uint64_t cgroup_id = 0;

  /// pid, tgid, uid, comm, cgroup: who did it. For policy::Detection::subject.
  [[nodiscard]] std::map<std::string, std::string> subject() const;
  /// operation, outcome, source, key, path, error: what was done. For policy::Detection::evidence.
  [[nodiscard]] std::map<std::string, std::string> evidence() const;
};

/// Hostile bytes as text that a terminal, D-Bus and a journal can bear: printable ASCII, "\xNN" for the rest;
/// stops at a NUL and at `limit` bytes of input.
std::string printable(std::string_view bytes, std::size_t limit);

}  // namespace akm::bpf
