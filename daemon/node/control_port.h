#pragma once
// What a node can be asked from outside (D-Bus). The adaptor knows the role only through this.
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm::node {

enum class NodeState : std::uint8_t { sealed_unavailable, unprovisioned, provisioned, activating, active, quarantined };
std::string_view node_state_name(NodeState state);

struct StatusSnapshot {
  NodeState state = NodeState::unprovisioned;
  std::uint64_t node_id = 0;  // 0 while unprovisioned
  std::string node_name;
  std::uint64_t nmm_id = 0;
  std::string nmm_name;
  std::string version;
  std::string key_storage;             // the sealer's description
  bool hardware_protected = false;     // false: sealed in software
  std::uint32_t incarnation = 0;
  std::string io_backend;              // "io_uring" or "epoll (reason)"
  std::string listen;                  // "address:port"
  std::int32_t keyring = 0;            // serial for keyctl show
  std::vector<std::string> findings;   // what is degraded, one sentence each
  std::vector<std::pair<std::string, std::string>> probes;  // detection -> tier and health
  std::map<std::string, std::uint64_t> counters;            // openmetrics names without prefix
};

struct MemberSnapshot {
  std::uint16_t index = 0;
  std::uint64_t node_id = 0;
  std::string name;
  std::vector<std::string> endpoints;
  std::string state;              // NMM: active, quarantined, ...; node: heard, silent
  std::uint32_t generation = 0;   // as last known of this member
  std::uint32_t epoch = 0;
};

/// An ASR without secrets. The NMM fills what it knows (its epoch is what members reported).
struct AsrSnapshot {
  std::uint64_t id = 0;
  std::string kind;   // "provisioning", "operational"
  std::string label;
  std::string suite;
  std::uint32_t generation = 0;
  std::uint32_t epoch = 0;
  std::string phase;
  std::string key_check;      // 8 hex digits read back from the kernel keyring; empty where there is no key (NMM)
  std::string roster_hash;    // hex
  std::uint16_t own_index = 0;
  std::vector<MemberSnapshot> members;
  std::map<std::string, std::string> policy;
};

/// Something that happened, for D-Bus signals and `akmctl monitor`.
struct EventRecord {
  std::string name;  // "session-committed", "breach-detected", "generation-installed", ...
  std::uint8_t severity = 6;  // syslog
  std::int64_t boottime_ns = 0;
  std::uint64_t asr_id = 0;
  std::map<std::string, std::string> fields;
};

template <typename T>
using Reply = std::move_only_function<void(Result<T>)>;
using Done = std::move_only_function<void(Status)>;

class ControlPort {
 public:
  virtual ~ControlPort() = default;
  [[nodiscard]] virtual StatusSnapshot status() const = 0;
  [[nodiscard]] virtual std::vector<AsrSnapshot> asrs() const = 0;
  struct HardwareIdentity {
    std::vector<std::uint8_t> value;                           // 32 bytes
    std::vector<std::pair<std::string, std::string>> sources;  // name, value, in protocol order
  };
  virtual Result<HardwareIdentity> hardware_identity() = 0;
  /// Opens a bundle file with the one-time code (a readable fd: the code is not on the bus), stores the credentials
  /// sealed, then overwrites and removes the file and writes a receipt beside it.
  virtual void provision_from_file(const std::string& path, UniqueFd code, Done done) = 0;
  /// Direct connection: a memfd with write, grow and shrink seals that holds a bundle with kdf "none".
  virtual void provision_from_memfd(UniqueFd bundle, Done done) = 0;
  /// Reaches the NMM under the provisioning ASR; done when it answers.
  virtual void activate(Done done) = 0;
  virtual void rekey(std::uint64_t asr_id, Done done) = 0;
  /// Erases everything: back to unprovisioned.
  virtual void zeroize(Done done) = 0;
};

/// What the role tells the adaptor; set by it once at start.
struct Observer {
  std::function<void()> status_changed;
  std::function<void(std::uint64_t asr_id)> asr_changed;  // also added or removed
  std::function<void(const EventRecord&)> event;
};

}  // namespace akm::node
