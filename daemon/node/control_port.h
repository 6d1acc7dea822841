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

/// A bundle on a drive that was plugged in.
struct BundleSnapshot {
  std::string device;  // "/dev/sdb1"
  std::string file;    // "NODE.akmbundle"; empty when the drive as a whole is refused
  std::uint32_t tries_left = 0;
  std::string refusal;  // why it cannot be used; empty when its code is all that is missing
  bool operator==(const BundleSnapshot&) const = default;
};

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
  std::vector<BundleSnapshot> bundles;                      // that a drive brings
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
  /// What an NMM wraps a bundle to (section 7, TPM import), as a file; nothing in it is secret.
  struct TpmIdentity {
    std::vector<std::uint8_t> file;
    std::string fingerprint;  // SHA-256 of the file, 64 hex digits: for people to compare
  };
  virtual void tpm_identity(Reply<TpmIdentity> reply) = 0;
  /// Opens a bundle file that was wrapped to this machine's TPM, without a code; else as
  /// provision_from_file. Whoever has the node's identity can make one: `digest` is the SHA-256 of the file
  /// that the NMM has shown, or empty. not_supported for a bundle that is sealed in another way,
  /// not_authentic for another file.
  virtual void provision_from_tpm_file(const std::string& path, const std::vector<std::uint8_t>& digest,
                                       Done done) = 0;
  /// Opens a bundle (a file, a folder or drive with one, DEVICE/NAME) with the one-time code (a readable fd:
  /// the code is not on the bus), stores the credentials sealed, then overwrites and removes the file and
  /// writes a receipt beside it. Done when the drive is let go.
  virtual void provision_from_file(const std::string& path, UniqueFd code, Done done) = 0;
  /// Direct connection: a memfd with write, grow and shrink seals that holds a bundle with kdf "none".
  virtual void provision_from_memfd(UniqueFd bundle, Done done) = 0;
  /// Imports the bundle from a PKCS#11 token (RFC 7512 URI) with its PIN in a sealed memfd; then destroys it
  /// there and leaves a receipt.
  virtual void provision_from_token(const std::string& uri, UniqueFd pin, Done done) = 0;
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
  struct KeyExport {
    std::uint64_t asr_id = 0;
    std::string name;
    std::vector<std::uint8_t> context = {};  // at most 64 bytes
    std::string type;                        // "user", "logon"
    std::int32_t keyring = 0;                // of the caller: the key is linked into it
  };
  /// Serial of a key for a local consumer (docs/keys.md). Whether the caller may have it, the configuration
  /// says.
  virtual Result<std::int32_t> export_key(const KeyExport& what, const Caller& caller) = 0;
  /// The caller's user needs it no longer.
  virtual Status release_key(std::uint64_t asr_id, std::int32_t serial, const Caller& caller) = 0;
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
