#pragma once
// What an NMM knows: its nodes, and the ASRs that it made. No secrets: those of a generation are in
// credentials.h, the provisioning root secret in root_secret.h. Records are durable before anything is sent
// that depends on them.
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/base/endpoint.h"
#include "daemon/base/instant.h"
#include "daemon/nmm/rollout.h"
#include "daemon/nmm/witness.h"
#include "daemon/protocol/asr.h"
#include "daemon/protocol/reported_record.h"
#include "daemon/store/sealed_store.h"

namespace akm::nmm {

inline constexpr std::size_t kNodes = protocol::limits::kRelationships;
inline constexpr std::size_t kAsrs = 4096;
inline constexpr std::size_t kAsrsPerNode = 64;

enum class NodeState : std::uint8_t { prepared, active, silent, quarantined, retired };
inline constexpr std::size_t kNodeStateCount = static_cast<std::size_t>(NodeState::retired) + 1;
std::string_view node_state_name(NodeState state);

/// What a member said about one ASR in its last heartbeat, or since then in an answer. Not stored: the next
/// heartbeat says it again.
struct ReportedAsr {
  std::uint32_t generation = 0;
  std::uint32_t epoch = 0;
  std::uint8_t phase = 0;
  Instant since{};         // generation and epoch are these
  bool by_answer = false;  // no heartbeat has said it yet
};

/// A maintenance window that was opened at a node itself, as its heartbeats say.
struct NodeWindow {
  Instant until{};  // 0: none
  std::string why;
};

struct NodeRecord {
  protocol::NodeId node_id = 0;
  std::string name;
  NodeState state = NodeState::prepared;  // silent is not stored: after a restart everybody gets a new chance
  protocol::AsrId provisioning_asr = 0;
  std::uint32_t serial = 0;                      // generation of the provisioning ASR, from 1
  protocol::Digest32 hardware_value{};           // zeros: not known, bound at activation
  std::uint32_t root = 1;                        // number of the secret that the serial is derived from
  std::optional<protocol::Derivation> prior;     // that the node may still be on: the serial is on its way
  std::vector<std::string> endpoints;            // where it will listen; go into rosters
  std::uint32_t activated_serial = 0;            // the serial that the node has activated with; 0: none yet
  std::uint64_t prepared_at_s = 0;               // on the running clock, for the bundle's expiry
  std::string version;                           // of its software, as it said at activation
  std::set<protocol::AsrId> evicted_from;        // for re-admission
  bool quarantine_pending = false;               // it has not answered `quarantine` yet
  bool bind_pending = false;                     // the serial bound to its hardware is on its way to it
  std::vector<std::uint8_t> attestation_key;     // of its TPM, enrolled or from its first quote; empty: none
  std::optional<protocol::Digest32> pcr_digest;  // of that quote, or that an operator accepted since
  bool golden_pcrs = false;                      // an operator has said what pcr_digest is to be
  std::string peer;              // "address:port" where it was heard when this record was written
  std::optional<Witness> self;   // the machine that was activated
  std::optional<Witness> other;  // whoever else has spoken in its name last
  bool rehome_asked = false;     // that one's operator says that it is the same with another part
  bool zeroize_pending = false;  // retired, and has not answered `zeroize` yet
  std::string receipt;           // of its zeroize
  std::uint64_t change = 0;      // number of the change that made this record what it is: for the Root

  // Not stored.
  Instant last_heard{};       // 0: never since the start
  Instant last_beat{};        // a heartbeat, which only an active node sends
  std::string beat_peer;      // from where
  Instant other_seen{};       // `other` was heard
  Instant sight_lost{};       // it reported that its sensor is impaired; 0: never
  bool out_of_reach = false;  // no chain of its provisioning ASR has led to it
  std::string tier;           // of its probes, and their health, in its own words
  std::uint64_t dropped_events = 0;
  NodeWindow window;
  NodeWindow window_told;  // the last that was announced
  std::optional<Instant> window_told_at;
  std::map<protocol::AsrId, ReportedAsr> reported;
  std::map<protocol::AsrId, std::uint32_t> behind;  // the generation that a heartbeat has missed once

  [[nodiscard]] bool is_bound() const;  // the hardware value is known

  /// Retired, and erased or given up: nothing is said to it any more.
  [[nodiscard]] bool is_gone() const { return state == NodeState::retired && !zeroize_pending; }
};

struct AsrRecord {
  protocol::AsrDescription description;
  bool complete = false;          // every member has answered for this generation
  bool immediate = false;         // how this generation is (was) rolled out
  bool rotation_pending = false;  // not all members' provisioning ASRs were rekeyed since its install
  Reason reason = Reason::created;
  std::uint64_t installed_at_s = 0;           // on the running clock, for renewals
  bool deleted = false;                       // only kept until all of `leaving` have answered
  std::set<protocol::NodeId> leaving;         // are sent retire until they answer
  std::set<protocol::NodeId> policy_pending;  // have not answered for the present policy yet
  std::uint64_t change = 0;                   // as NodeRecord::change
  /// As a backup has it: who has left since, nobody here knows. Nothing is issued for it until all members
  /// report this very generation, or an operator has said that the roster is right (restoration.h).
  bool unconfirmed = false;
};

/// All records, in memory with their indexes and in the sealed store. A change is made on a copy and put
/// back: when the store refuses, memory is unchanged.
class Registry {
 public:
  explicit Registry(store::SealedStore& store) : store_(store) {}

  [[nodiscard]] store::SealedStore& store() { return store_; }
  /// Reads everything. A record that does not open or decode is kept and named in the result.
  Result<std::vector<std::string>> load();

  [[nodiscard]] const NodeRecord* node(protocol::NodeId node_id) const;
  [[nodiscard]] const NodeRecord* node_by_name(std::string_view name) const;
  [[nodiscard]] const NodeRecord* node_by_provisioning_asr(protocol::AsrId asr_id) const;
  [[nodiscard]] const AsrRecord* asr(protocol::AsrId asr_id) const;
  /// ASRs that have the node in their roster.
  [[nodiscard]] const std::set<protocol::AsrId>& asrs_of(protocol::NodeId node_id) const;
  /// The nodes that report a relationship of which there is no record; none when there is one.
  [[nodiscard]] std::vector<protocol::NodeId> holders_of_unknown(protocol::AsrId asr_id) const;
  [[nodiscard]] const std::map<protocol::NodeId, NodeRecord>& nodes() const { return nodes_; }
  [[nodiscard]] const std::map<protocol::AsrId, AsrRecord>& asrs() const { return asrs_; }

  /// For people: at most 16 of the nodes, by name.
  [[nodiscard]] std::string names_of(const std::set<protocol::NodeId>& nodes) const;

  /// Writes the record, then takes it over. limit_exceeded above kNodes or kAsrs, already_exists for another
  /// node's name, errors of the store.
  Status put(NodeRecord record);
  Status put(AsrRecord record);
  /// One change of several records, written together: the node's, then others' (credentials), then the ASRs'.
  /// What a crash leaves is a beginning of that.
  struct Change {
    std::optional<NodeRecord> node;
    std::vector<store::NamedRecord> others;
    std::vector<AsrRecord> asrs;
  };
  Status put(Change change);
  Status remove_asr(protocol::AsrId asr_id);

  // Changes are numbered for the report to the Root (section 7): one row of numbers for all records.
  [[nodiscard]] std::uint64_t last_change() const { return change_; }
  std::uint64_t next_change() { return ++change_; }
  /// The Root has more than these records know of, or an incident took a number.
  void count_from(std::uint64_t change) { change_ = std::max(change_, change); }
  /// From now on a removed relationship leaves a mark, until the Root has heard of it.
  void mark_removals() { marks_removals_ = true; }
  [[nodiscard]] const std::map<protocol::AsrId, std::uint64_t>& gone() const { return gone_; }
  /// The Root has heard of what is gone up to this change.
  void forget_gone(std::uint64_t upto);
  /// All nodes and relationships go: the Root has newer ones. What a failure leaves goes with the next call.
  Status clear();

  /// What is not stored (last heard, what it reported); null when there is no such node.
  NodeRecord* volatile_part(protocol::NodeId node_id);
  /// A member has answered that it holds this generation. Its epoch is 1 at least.
  void note_held(protocol::NodeId node_id, protocol::AsrId asr_id, std::uint32_t generation, Instant now);
  /// It has answered that it erased the relationship; 0: all of them.
  void note_erased(protocol::NodeId node_id, protocol::AsrId asr_id);
  /// Node and ASR ids in the record names, for tests and for people.
  static std::string node_record_name(protocol::NodeId node_id);
  static std::string asr_record_name(protocol::AsrId asr_id);
  /// Of a node's or a relationship's record.
  static bool is_record_name(std::string_view name);

 private:
  [[nodiscard]] Status check(const NodeRecord& record) const;
  void take_over(NodeRecord record);
  void take_over(AsrRecord record);
  void unlink_roster(const AsrRecord& record);

  Status mark_gone(protocol::AsrId asr_id);
  void load_gone(const std::string& name);

  store::SealedStore& store_;
  std::uint64_t change_ = 0;
  bool marks_removals_ = false;
  std::map<protocol::AsrId, std::uint64_t> gone_;
  std::map<protocol::NodeId, NodeRecord> nodes_;
  std::map<protocol::AsrId, AsrRecord> asrs_;
  std::map<std::string, protocol::NodeId, std::less<>> by_name_;
  std::unordered_map<protocol::AsrId, protocol::NodeId> by_provisioning_asr_;
  std::unordered_map<protocol::NodeId, std::set<protocol::AsrId>> asrs_of_;
};

/// Numbers of the root secrets that nodes hang on.
std::set<std::uint32_t> secrets_in_use(const Registry& registry);

}  // namespace akm::nmm
