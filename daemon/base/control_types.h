#pragma once
// What both control ports (node, NMM) speak of: snapshots without secrets, replies, events.
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "daemon/base/result.h"

namespace akm {

struct MemberSnapshot {
  std::uint16_t index = 0;
  std::uint64_t node_id = 0;
  std::string name;
  std::vector<std::string> endpoints;
  std::string state;             // NMM: active, quarantined, ...; node: heard, silent
  std::uint32_t generation = 0;  // as last known of this member
  std::uint32_t epoch = 0;

  bool operator==(const MemberSnapshot&) const = default;
};

/// An ASR without secrets. The NMM fills what it knows (its epoch is what members reported).
struct AsrSnapshot {
  std::uint64_t id = 0;
  std::string kind;  // "provisioning", "operational"
  std::string label;
  std::string suite;
  std::uint32_t generation = 0;
  std::uint32_t epoch = 0;
  std::string phase;
  std::string key_check;  // 8 hex digits read back from the kernel keyring; empty where there is no key (NMM)
  std::string roster_hash;  // hex
  std::uint16_t own_index = 0;
  std::vector<MemberSnapshot> members;
  std::map<std::string, std::string> policy;
};

/// Something that happened, for D-Bus signals and `akmctl monitor`.
struct EventRecord {
  std::string name;           // "session-committed", "breach-detected", "generation-installed", ...
  std::uint8_t severity = 6;  // syslog
  std::int64_t boottime_ns = 0;
  std::uint64_t asr_id = 0;
  std::map<std::string, std::string> fields;
};

template <typename T>
using Reply = std::move_only_function<void(Result<T>)>;
using Done = std::move_only_function<void(Status)>;

/// What the role tells the adaptor; set by it once at start.
struct Observer {
  std::function<void()> status_changed;
  std::function<void(std::uint64_t asr_id)> asr_changed;  // also added or removed
  std::function<void(const EventRecord&)> event;
};

}  // namespace akm
