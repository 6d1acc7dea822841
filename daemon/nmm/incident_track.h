#pragma once
// An incident as the NMM sees it, for the audit log: from the report to the last member's new key and the way
// back (docs/audit.md). It watches and decides nothing.
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/nmm/core.h"
#include "daemon/policy/adjudication.h"
#include "daemon/policy/detection.h"

namespace akm::nmm {

class IncidentTrack {
 public:
  explicit IncidentTrack(Core& core) : core_(core) {}

  /// The id that a report names, if no other node has used it; without one the same that the reporter would
  /// make.
  std::uint64_t admit(std::uint64_t named, protocol::NodeId reporter, std::string_view what,
                      std::int64_t boottime_ns);
  /// A report has come: what it says goes to the log, if it is `recorded`. The incident that it belongs to.
  std::uint64_t received(const protocol::BreachReport& report, protocol::NodeId reporter,
                         bool recorded = true);
  /// Whether another report of this node has a place in the log. A member that sends one after the other must
  /// not push the story of others out of it: kReportsAtOnce, and one more each kReportEvery. What is left out
  /// is counted and said, and decided on all the same.
  bool has_room(protocol::NodeId reporter);
  /// From now on this is the incident of the node.
  void concerns(protocol::NodeId node_id, std::uint64_t incident);
  /// The newest one of the node, from before a restart too; 0: none.
  [[nodiscard]] std::uint64_t of(protocol::NodeId node_id) const;
  void verdict(std::uint64_t incident, protocol::NodeId node_id, const policy::AsrVerdict& verdict,
               bool observed);
  /// A generation of this ASR goes to its members because of the incident; it was stored already.
  void sent(std::uint64_t incident, protocol::NodeId node_id, protocol::AsrId asr_id);
  /// A member has it.
  void member_done(const RolloutPlan& plan, protocol::NodeId node_id, Instant now);
  void news(const GenerationNews& news);
  /// The node has answered that it holds no relationship any more.
  void quarantined(protocol::NodeId node_id);

 private:
  /// Members of one record: they are gathered, so that thousands of members do not make thousands of records.
  static constexpr std::size_t kMembersOfARecord = 40;
  static constexpr std::size_t kFollowed = 256;
  static constexpr std::size_t kRemembered = 4096;
  static constexpr std::size_t kIdsOfOne = 64;
  static constexpr std::uint32_t kReportsAtOnce = 30;
  static constexpr Duration kReportEvery = std::chrono::seconds(30);
  struct Reporter {
    std::deque<std::uint64_t> ids;  // that it named, the oldest first
    std::uint32_t spent = 0;        // of kReportsAtOnce
    Instant since{};
    std::uint64_t left_out = 0;
  };
  struct Followed {
    std::uint64_t incident = 0;
    std::uint32_t generation = 0;
    protocol::NodeId node_id = 0;
    std::map<std::string, std::string> gathered;
  };

  void record(std::uint64_t incident, std::string name, protocol::AsrId asr_id,
              std::map<std::string, std::string> fields);
  void tell_members(protocol::AsrId asr_id, Followed& followed);

  Core& core_;
  std::map<protocol::AsrId, Followed> followed_;
  std::map<protocol::NodeId, std::uint64_t> newest_;
  std::map<std::uint64_t, protocol::NodeId> ids_;  // of incidents, to who named them
  std::map<protocol::NodeId, Reporter> reporters_;
};

/// As a field of an event.
std::map<std::string, std::string> with_incident(std::map<std::string, std::string> fields,
                                                 std::uint64_t incident);

}  // namespace akm::nmm
