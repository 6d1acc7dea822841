#pragma once
// What a node can be asked from outside (D-Bus). The adaptor knows the role only through this.
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm::node {

enum class NodeState : std::uint8_t {
  sealed_unavailable,
  unprovisioned,
  provisioned,
  activating,
  active,
  quarantined
};
/// "sealed-unavailable", ...: as on D-Bus.
constexpr std::string_view node_state_name(NodeState state) {
  switch (state) {
    case NodeState::sealed_unavailable:
      return "sealed-unavailable";
    case NodeState::unprovisioned:
      return "unprovisioned";
    case NodeState::provisioned:
      return "provisioned";
    case NodeState::activating:
      return "activating";
    case NodeState::active:
      return "active";
    case NodeState::quarantined:
      return "quarantined";
  }
  return {};
}

/// A finding while the daemon is about to start anew, since its state was erased.
inline constexpr std::string_view kStartsAnew = "The state is erased: the daemon starts anew";

struct StatusSnapshot {
  NodeState state = NodeState::unprovisioned;
  std::uint64_t node_id = 0;  // 0 while unprovisioned
  std::string node_name;
  std::uint64_t nmm_id = 0;
  std::string nmm_name;
  std::string version;
  std::string key_storage;          // the sealer's description
  bool hardware_protected = false;  // false: sealed in software
  std::uint32_t incarnation = 0;
  std::string io_backend;                                   // "io_uring" or "epoll (reason)"
  std::string listen;                                       // "address:port"
  std::int32_t keyring = 0;                                 // serial for keyctl show
  std::vector<std::string> findings;                        // what is degraded, one sentence each
  std::vector<std::pair<std::string, std::string>> probes;  // detection -> tier and health
  std::map<std::string, std::uint64_t> counters;            // openmetrics names without prefix
  std::string handover_fingerprint;                         // of the offer that stands; empty: none
  std::vector<std::string> changed_sources;  // of the hardware value, since the credentials came
};

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
  /// Opens a bundle file with the one-time code (a readable fd: the code is not on the bus), stores the
  /// credentials sealed, then overwrites and removes the file and writes a receipt beside it.
  virtual void provision_from_file(const std::string& path, UniqueFd code, Done done) = 0;
  /// Direct connection: a memfd with write, grow and shrink seals that holds a bundle with kdf "none".
  virtual void provision_from_memfd(UniqueFd bundle, Done done) = 0;
  struct Offer {
    HardwareIdentity identity;
    std::vector<std::uint8_t> key;  // X25519, 32 bytes
    std::string fingerprint;        // of key and value, for people
  };
  /// A key for credentials that come over a connection without descriptors; shown until it is used or late.
  virtual Result<Offer> offer_handover() = 0;
  /// A bundle that was sealed to that key.
  virtual void provision_sealed(std::vector<std::uint8_t> sealed, Done done) = 0;
  /// Reaches the NMM under the provisioning ASR; done when it answers.
  virtual void activate(Done done) = 0;
  virtual void rekey(std::uint64_t asr_id, Done done) = 0;
  /// Erases everything: back to unprovisioned. The receipt says what was erased (protocol.md, section 7);
  /// an error when something could not be.
  virtual void zeroize(Reply<std::string> reply) = 0;
  /// Asks the NMM's operator to take this machine for the one that was provisioned, with another part.
  virtual void rehome(Done done) = 0;
  /// For a golden image: erases everything that makes this machine this node, and leaves a marker, so that
  /// whoever starts from the image takes an identity of its own. The daemon has no state afterwards.
  virtual void generalize(Done done) = 0;
};

}  // namespace akm::node
