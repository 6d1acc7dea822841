#pragma once
// What both control ports (node, NMM) speak of: snapshots without secrets, replies, events.
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm {

struct MemberSnapshot {
  std::uint16_t index = 0;
  std::uint64_t node_id = 0;
  std::string name;
  std::vector<std::string> endpoints;
  std::string state;             // NMM: active, quarantined, ...; node: self, heard, silent
  std::uint32_t generation = 0;  // as last known of this member; 0: nothing is known
  std::uint32_t epoch = 0;
  std::int64_t since_ns = 0;          // since boot, when that became known; 0: not known
  std::int64_t last_heard_ns = 0;     // since boot; 0: never since the start of the daemon
  std::uint32_t sent_generation = 0;  // NMM: was sent to it, if it is the present one; else 0
  std::string waits_for;              // what is awaited of it, or what it waits for; empty: nothing
  std::int64_t waits_since_ns = 0;    // since boot; 0: not known

  bool operator==(const MemberSnapshot&) const = default;
};

/// Whom a change of the relationship still waits for; a member, or a node that leaves.
struct StragglerSnapshot {
  std::uint64_t node_id = 0;
  std::string name;
  std::string waits_for;
  std::int64_t since_ns = 0;  // since boot; 0: not known

  bool operator==(const StragglerSnapshot&) const = default;
};

/// A key that local programs or the kernel got of an ASR's session (docs/keys.md): not the key itself.
struct ExportedKey {
  std::string name;
  std::string context;  // hex
  std::string type;     // "user", "logon"
  std::int32_t serial = 0;
  std::uint32_t generation = 0;
  std::uint32_t epoch = 0;
  std::vector<std::uint32_t> users;  // ids of those who hold it, one for each keyring

  bool operator==(const ExportedKey&) const = default;
};

/// Who calls, as the bus saw it when the caller connected.
struct Caller {
  std::uint32_t uid = 0;
  std::int32_t pid = 0;  // 0: not known
  UniqueFd process;      // pidfd, where the bus has one
  Instant asked;         // when its call came; 0: not known
};

/// An ASR without secrets. The NMM fills what it knows (its epoch is what members reported). Times are boot
/// times, which stand still while nothing changes; who shows them subtracts them from now_ns.
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
  std::int64_t now_ns = 0;    // when this was taken
  std::int64_t since_ns = 0;  // generation and epoch (NMM: the generation) are as they are; 0: not known
  std::int64_t phase_since_ns = 0;         // 0: not known
  std::string chain;                       // node: of the phase; empty on an NMM
  std::uint32_t target = 0;                // node: epoch of the attempt under way; 0: none
  std::uint32_t installed_generation = 0;  // node: waits for its switch; 0: none
  std::string waits_for;                   // one phrase; empty: nothing
  std::int64_t waits_until_ns = 0;         // since boot: then something else begins; 0: there is no such time
  std::vector<StragglerSnapshot> stragglers;
  std::map<std::string, std::uint64_t> counters;  // node: of the data service (docs/data-service.md)
  std::vector<ExportedKey> exported_keys;         // node
};

/// Something that happened, for D-Bus signals and `akmctl monitor`.
struct EventRecord {
  std::string name;           // "session-committed", "breach-detected", "generation-installed", ...
  std::uint8_t severity = 6;  // syslog
  std::int64_t boottime_ns = 0;
  std::uint64_t asr_id = 0;
  std::map<std::string, std::string> fields;
  std::vector<std::string> subject = {};  // of a detection: the fields that tell who did it
};

template <typename T>
using Reply = std::move_only_function<void(Result<T>)>;
using Done = std::move_only_function<void(Status)>;

/// What the role tells the adaptor; set by it once at start.
struct Observer {
  std::function<void()> status_changed;
  std::function<void(std::uint64_t asr_id)> asr_changed;  // also added or removed
  std::function<void(const EventRecord&)> event;
  /// An exported key has new content, or none any more.
  std::function<void(std::uint64_t asr_id, const ExportedKey& key, bool revoked)> key_changed = {};
};

}  // namespace akm
