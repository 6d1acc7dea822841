#pragma once
// How each detection is watched on this kernel: which groups it needs, what their tier cannot see.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bpf/loader/probe_object.h"

namespace akm::bpf {

/// One detection and how it is watched here; for D-Bus and `akmctl doctor`.
struct ProbeHealth {
  std::string detection;  // "D1", ...
  std::string tier;       // "lsm", "tracepoint", "tracepoint + fanotify", "absent", "none"
  bool attached = false;  // everything that this tier needs
  std::string detail;     // what is missing and why, or the known blind spots of this tier
};

/// A row of docs/detections.md that the kernel sees.
struct WatchedRow {
  std::string_view row;
  std::span<const Group> groups;  // all are needed
  std::string_view blind_spot;    // of the tracepoint tier; empty: none that is known
  std::string_view blind_on_all_tiers = {};
};
/// In their order; D32 is the probe set's own.
std::span<const WatchedRow> watched_rows();

/// D1 to D31 by the states of the groups. `fanotify_reason` is empty when fanotify watches the folders.
std::vector<ProbeHealth> row_health(const ProbeObject& object, const std::string& fanotify_reason);

/// The sensor is impaired (D32). Told once when it begins, not at every check.
struct SensorFinding {
  enum class Kind : std::uint8_t {
    records_lost,
    probe_gone,
    silent,
    folder_replaced,
    unwatched,  // the programs were at work and nobody read what they saw
  } kind{};
  std::string detail;
  std::uint64_t count = 0;  // records lost since the last finding
};
std::string_view sensor_finding_name(SensorFinding::Kind kind);

}  // namespace akm::bpf
