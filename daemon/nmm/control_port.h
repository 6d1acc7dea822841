#pragma once
// What an NMM can be asked from outside (D-Bus). The adaptor knows the role only through this.
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/base/direct_offer.h"
#include "daemon/base/unique_fd.h"
#include "daemon/node/control_port.h"

namespace akm::nmm {

struct StatusSnapshot {
  std::string state;  // "sealed-unavailable", "no-root-secret", "ready", "fenced"
  std::uint64_t nmm_id = 0;
  std::string name;
  std::string version;
  std::string key_storage;
  bool hardware_protected = false;
  std::uint32_t incarnation = 0;
  std::string io_backend;
  std::string listen;
  std::string root_state;     // "standalone", "joining", "reached", "outage", "fenced"
  std::uint64_t root_id = 0;  // 0: it stands alone
  std::string root_name;
  std::int64_t root_since_ns = 0;  // since boot: how long the Root is reached, or not; 0: not known
  std::vector<std::string> findings;
  std::vector<std::pair<std::string, std::string>> probes = {};  // detection, tier and health
  std::map<std::string, std::uint64_t> counters;
  std::string handover_fingerprint;  // of the offer to a Root that stands; empty: none
};

struct NodeSnapshot {
  std::uint64_t node_id = 0;
  std::string name;
  std::string state;  // "prepared", "active", "silent", "quarantined", "retired"; "expected": by the Root
  std::uint32_t serial = 0;
  std::string endpoint;            // where it was last heard; empty before
  std::int64_t last_heard_ns = 0;  // since boot; 0: never
  std::vector<std::uint64_t> asrs;
  std::string version;
};

/// A device that could carry a bundle.
struct DriveSnapshot {
  std::string device;  // "/dev/sdb1"
  std::string model;   // as it says of itself
  std::uint64_t bytes = 0;
  std::string filesystem;
  std::vector<std::string> mounted_at;  // any part of the disk
  std::string refusal;                  // why none can go there; empty when one can
};

class ControlPort {
 public:
  virtual ~ControlPort() = default;
  [[nodiscard]] virtual StatusSnapshot status() const = 0;
  [[nodiscard]] virtual std::vector<NodeSnapshot> nodes() const = 0;
  [[nodiscard]] virtual std::vector<AsrSnapshot> asrs() const = 0;

  /// Standalone: draws the provisioning root secret, until there is a Root. already_exists when there is one.
  virtual void create_root_secret(Done done) = 0;

  struct Prepare {
    std::string node_name;
    std::vector<std::uint8_t> hardware_value;        // 32 bytes; empty: bound at activation
    std::vector<std::string> node_endpoints;         // where the node will listen; goes into rosters
    std::vector<std::uint8_t> attestation_key = {};  // TPM2B_PUBLIC, enrolled; empty: that of its first quote
  };
  struct Prepared {
    std::uint64_t node_id = 0;
    std::string path;  // the bundle that was written
    UniqueFd code;     // sealed memfd with the one-time code: it does not travel on the bus
  };
  struct Destination {
    std::string place;   // a folder, or a block device that is mounted for the time of writing
    bool force = false;  // also a device that is not removable; never one that this system runs from
  };
  /// Writes NODE.akmbundle there.
  virtual void prepare_bundle(Prepare what, Destination to, Reply<Prepared> reply) = 0;
  /// Removable devices with a medium.
  virtual void list_drives(Reply<std::vector<DriveSnapshot>> reply) = 0;
  struct PreparedOnToken {
    std::uint64_t node_id = 0;
    std::string token;    // which one it is on, for people
    bool sealed = false;  // with a key on the token; else the PIN alone keeps it
  };
  /// Writes the bundle to a PKCS#11 token (RFC 7512 URI) with its PIN in a sealed memfd.
  virtual void prepare_token(Prepare what, const std::string& uri, UniqueFd pin,
                             Reply<PreparedOnToken> reply) = 0;
  struct PrepareForTpm {
    std::string node_name;
    std::vector<std::string> node_endpoints;
    std::vector<std::uint8_t> identity;  // the file that `akmctl node identity --out` wrote
    std::string place;                   // a folder or removable drive that gets NODE.akmbundle
  };
  struct PreparedForTpm {
    std::uint64_t node_id = 0;
    std::string path;
    std::string fingerprint;  // SHA-256 of the identity, 64 hex digits
    std::string digest;       // of the bundle, the same
    bool certified = false;   // a vendor's certificate says that the endorsement key is one of a TPM
    std::string certificate;  // whose it is, or why it does not count
    std::array<std::uint8_t, 32> pcr_digest{};  // of the node when it made its identity
  };
  /// A bundle that only the TPM of this identity opens, without a code; its attestation key is enrolled.
  virtual void prepare_for_tpm(PrepareForTpm what, Reply<PreparedForTpm> reply) = 0;
  /// Calls org.akm.Node1 at `bus_address` (sd-bus address syntax): reads its hardware identity, passes a
  /// sealed memfd.
  virtual void provision_direct(Prepare what, const std::string& bus_address, Reply<std::uint64_t> reply) = 0;

  using DirectOffer = akm::DirectOffer;
  /// The same in two steps: what the node says of itself, then the secret, once the fingerprint is confirmed.
  virtual void begin_direct(Prepare what, const std::string& bus_address, Reply<DirectOffer> reply) = 0;
  virtual void confirm_direct(std::uint64_t handle, const std::string& fingerprint,
                              Reply<std::uint64_t> reply) = 0;

  /// Done when all members have installed and switched, or timed_out naming the stragglers (it goes on by
  /// itself).
  virtual void create_asr(const std::string& label, std::vector<std::uint64_t> node_ids,
                          std::map<std::string, std::string> policy, Reply<std::uint64_t> reply) = 0;
  virtual void add_member(std::uint64_t asr_id, std::uint64_t node_id, Done done) = 0;
  virtual void remove_member(std::uint64_t asr_id, std::uint64_t node_id, Done done) = 0;
  /// A new generation with the same members.
  virtual void rekey(std::uint64_t asr_id, Done done) = 0;
  /// Fields that change, by their names. Done when all members have them, or timed_out naming the stragglers
  /// (it goes on by itself).
  virtual void set_policy(std::uint64_t asr_id, std::map<std::string, std::string> policy, Done done) = 0;
  virtual void delete_asr(std::uint64_t asr_id, Done done) = 0;
  /// New generations of all its ASRs without it; the node keeps only its provisioning ASR.
  virtual void quarantine(std::uint64_t node_id, Done done) = 0;
  struct Attested {
    std::string outcome;  // "first", "same", "changed", "accepted"
    std::array<std::uint8_t, 32> pcr_digest{};
    std::array<std::uint8_t, 32> log_digest{};  // of the firmware's event log; zeros where there is none
  };
  /// Has the node's TPM quote its PCRs. The first quote pins them; `accept` pins what is quoted now.
  /// not_authentic when the quote is not the node's, not_supported when it has no TPM.
  virtual void attest(std::uint64_t node_id, bool accept, Reply<Attested> reply) = 0;
  /// What the node's PCRs are to be, before it has quoted them or after: where attestation is required, it
  /// does not activate with others.
  virtual void set_golden_pcrs(std::uint64_t node_id, std::array<std::uint8_t, 32> pcr_digest, Done done) = 0;
  /// What is known of the node, and of whoever else speaks in its name: (fact, value), for people.
  virtual Result<std::vector<std::pair<std::string, std::string>>> describe(std::uint64_t node_id) const = 0;
  /// The next serial over the present session: what was valid before is dead on both sides when it is done.
  virtual void reprovision(std::uint64_t node_id, Done done) = 0;
  /// The operator's word that the node, which has asked, is the same machine with another part: the next
  /// serial, bound to `hardware_value`, which has to be the one that it asked with.
  virtual void rehome(std::uint64_t node_id, std::vector<std::uint8_t> hardware_value, Done done) = 0;
  /// Out of all its relationships, and told to erase itself; done when it has sent its receipt, or timed_out
  /// (it goes on by itself). `forget`: without waiting for it, its provisioning relationship too.
  virtual void retire(std::uint64_t node_id, bool forget, Done done) = 0;
  /// Of an NMM whose state was made on other hardware: the operator's word that this is the same machine, or
  /// its heir. wrong_state for any other.
  virtual void accept_hardware(Done done) = 0;
  // One level up: to its Root an NMM is what a node is to an NMM.
  using HardwareIdentity = node::ControlPort::HardwareIdentity;
  virtual Result<HardwareIdentity> hardware_identity() = 0;
  /// Takes the Root's bundle with its one-time code, or over a direct connection; as a node does. An NMM that
  /// stands alone is adopted. refused_by_policy, stale_generation, already_provisioned, wrong_code, ...
  virtual void provision_from_file(const std::string& path, UniqueFd code, Done done) = 0;
  virtual void provision_from_memfd(UniqueFd bundle, Done done) = 0;
  using TpmIdentity = node::ControlPort::TpmIdentity;
  virtual void tpm_identity(Reply<TpmIdentity> reply) = 0;
  /// As a node's: a bundle that was wrapped to this machine's TPM.
  virtual void provision_from_tpm_file(const std::string& path, const std::vector<std::uint8_t>& digest,
                                       Done done) = 0;
  /// From a PKCS#11 token (RFC 7512 URI) with its PIN in a sealed memfd; then it is destroyed there.
  virtual void provision_from_token(const std::string& uri, UniqueFd pin, Done done) = 0;
  struct HandoverOffer : node::ControlPort::Offer {
    std::uint64_t nmm_id = 0;  // that this NMM has already; 0: none
  };
  /// A key for credentials that come over a connection without descriptors; shown until it is used or late.
  virtual Result<HandoverOffer> offer_handover() = 0;
  /// A bundle that was sealed to that key.
  virtual void provision_sealed(std::vector<std::uint8_t> sealed, Done done) = 0;

  struct MadeBackup {
    UniqueFd file;    // sealed memfd: what is to be kept; no secret
    UniqueFd secret;  // sealed memfd with the recovery secret that was drawn; none: it was given
  };
  /// A backup of an NMM that stands alone, sealed by a recovery secret: the one in the memfd, or, without
  /// any, one that is drawn.
  virtual void make_backup(UniqueFd secret, Reply<MadeBackup> reply) = 0;
  struct BackupFacts {
    struct Node {
      std::uint64_t id = 0;
      std::string name;
      std::string state;
      std::uint32_t serial = 0;
    };
    struct Asr {
      std::uint64_t id = 0;
      std::string label;
      std::uint32_t generation = 0;
      std::uint32_t members = 0;
    };
    std::uint64_t nmm_id = 0;
    std::string name;
    std::uint64_t made_s = 0;  // since 1970, by the clock of the machine that made it
    std::uint32_t incarnation = 0;
    std::vector<Node> nodes;
    std::vector<Asr> asrs;
  };
  /// Opens a backup and decodes all of it, and changes nothing.
  virtual void test_backup(UniqueFd file, UniqueFd secret, Reply<BackupFacts> reply) = 0;
  /// Takes the place of the NMM that the backup was made of; then the daemon starts anew.
  virtual void restore_backup(UniqueFd file, UniqueFd secret, Reply<BackupFacts> reply) = 0;
  /// The operator's word that the roster of a restored relationship is right: new keys for its members.
  virtual void confirm_asr(std::uint64_t asr_id, Done done) = 0;

  /// The operator's word that the node is sound: back into the ASRs that it was evicted from.
  virtual void readmit(std::uint64_t node_id, Done done) = 0;
};

}  // namespace akm::nmm
