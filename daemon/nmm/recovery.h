#pragma once
// From a breach to new keys without the breached node, and back again on an operator's word.
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/nmm/core.h"
#include "daemon/nmm/incident_track.h"
#include "daemon/nmm/membership.h"
#include "daemon/policy/adjudication.h"
#include "daemon/policy/policy_memory.h"

namespace akm::nmm {

/// What is known of one breach: reported under the node's provisioning ASR, or seen by the NMM itself.
struct Breach {
  protocol::NodeId node_id = 0;  // the node that is breached
  policy::DetectionClass detection{};
  policy::Grade grade = policy::Grade::observe;
  std::int64_t boottime_ns = 0;  // when its kernel saw it; 0: not known
  std::string reported_by;       // the node itself, "nmm"
  std::string from = {};         // of a second holder of its keys: where it was heard,
  std::string expected_at = {};  // and where the node is
  std::uint64_t incident = 0;    // 0: one of its own
  bool quiet = false;            // only said where it costs somebody something
};

struct BreachOutcome {
  policy::Verdict verdict = policy::Verdict::log;  // the strongest
  std::vector<protocol::AsrId> asrs;               // that it concerns
  std::string reason;
  bool failed = false;  // it could not be carried out: who reported is to report again
};

class Recovery {
 public:
  Recovery(Core& core, Membership& membership) : core_(core), membership_(membership), track_(core) {}

  [[nodiscard]] IncidentTrack& track() { return track_; }

  /// At start: what was decided before counts against the limits, and an eviction that a crash cut short is
  /// finished.
  void resume(const policy::BootId& boot);
  /// Decides and acts. Evictions are durable when it returns; they run in the background.
  BreachOutcome breach(Breach breach);
  /// A member saw two live copies of another one in an ASR that they share. Members hold the same secrets, so
  /// one member's word may be a lie: it takes kAccusers of them within the window.
  BreachOutcome accuse(const Breach& breach, protocol::NodeId accuser);
  /// The NMM's own machine is breached (`node_id` is the NMM's): a new generation of each of these ASRs,
  /// within the limits on rekeys, with the same members. One writing.
  BreachOutcome own_breach(const Breach& breach, const std::set<protocol::AsrId>& asrs);
  /// By the operator: from all ASRs, whatever the limits of automatic eviction say.
  void quarantine(protocol::NodeId node_id, Done done);
  void readmit(protocol::NodeId node_id, Done done);
  /// The node has passed an attestation that an operator asked for: taken back where the policy says so, of
  /// every ASR that it was evicted from.
  void attested(protocol::NodeId node_id);
  /// For a node that leaves for good; the rest runs in the background.
  Status put_out(protocol::NodeId node_id, const std::set<protocol::AsrId>& asrs) {
    return evict(node_id, asrs, Reason::operator_request, {});
  }
  /// News of a rollout: may be the last of an eviction.
  void news(const GenerationNews& news);

 private:
  struct Eviction {
    protocol::NodeId node_id = 0;
    std::string detection;  // "operator" for a quarantine
    Instant seen;           // the system call, where known; else when the NMM heard of it
    bool kernel_time = false;
    std::uint64_t incident = 0;
    std::set<protocol::AsrId> open;
    Instant last_answer{};
    std::size_t members = 0;
    std::size_t stragglers = 0;
  };
  static constexpr std::size_t kFollowed = 64;
  static constexpr std::size_t kAccusers = 2;
  static constexpr std::size_t kAccused = 256;

  /// Relationships that get no new generation now.
  struct Without {
    std::vector<protocol::AsrId> too_small;
    std::vector<AsrRecord> unconfirmed;  // their records, without the node
  };
  /// `memory` is stored in the same writing; may be null.
  Status evict(protocol::NodeId node_id, const std::set<protocol::AsrId>& asrs, Reason reason, Done done,
               const policy::RecoveryMemory* memory = nullptr);
  void finish_eviction(protocol::NodeId node_id, const std::set<protocol::AsrId>& asrs);
  void record_evictions(policy::RecoveryMemory& memory, const std::set<protocol::AsrId>& asrs);
  Status evict_remembering(const Breach& breach, const std::set<protocol::AsrId>& asrs, bool all);
  Status rekey_remembering(std::set<protocol::AsrId>& asrs);
  Status prepare_without(protocol::AsrId asr_id, protocol::NodeId node_id, Reason reason,
                         std::vector<Generations::Prepared>& generations, Without& others);
  void follow(const Breach& breach, const std::set<protocol::AsrId>& asrs, std::string detection);
  void tell_evicted(const Eviction& eviction);
  [[nodiscard]] std::vector<policy::AsrFacts> facts_of(protocol::NodeId node_id) const;
  [[nodiscard]] policy::AdjudicationPolicy policy_of(protocol::AsrId asr_id) const;
  [[nodiscard]] policy::AsrVerdict judge(const Breach& breach, const policy::AsrFacts& asr,
                                         Instant now) const;
  void carry_out(const Breach& breach, std::set<protocol::AsrId>& evictions,
                 std::set<protocol::AsrId>& rekeys, BreachOutcome& outcome);
  [[nodiscard]] std::uint64_t incident_of(const Breach& breach);
  void announce(const Breach& breach, const BreachOutcome& outcome);

  Core& core_;
  Membership& membership_;
  IncidentTrack track_;
  policy::RecoveryMemory memory_;
  std::deque<Eviction> followed_;
  policy::BootId boot_{};
  // Not stored: words that a restart forgets are to be said again before they cost anybody anything.
  std::map<protocol::NodeId, std::map<protocol::NodeId, Instant>> accusations_;
};

}  // namespace akm::nmm
