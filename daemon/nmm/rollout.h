#pragma once
// One generation change of one ASR (protocol section 6): install to all of the new roster, wait, switch.
// Pure: time is an argument, what is to be sent comes out as commands. Sending, credentials and disk are its
// owner's (generations.h).
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/protocol/asr.h"
#include "daemon/protocol/control_method.h"

namespace akm::nmm {

/// Why a generation changes: for the log, the signals, and for what may wait.
enum class Reason : std::uint8_t {
  created,
  member_added,
  member_removed,
  operator_request,
  renewal,
  resync,  // a member ran out of chains, or reported an older generation
  breach,
  readmission,
};
inline constexpr std::size_t kReasonCount = static_cast<std::size_t>(Reason::readmission) + 1;
std::string_view reason_name(Reason reason);

struct RolloutPlan {
  protocol::AsrId asr_id = 0;
  std::uint32_t generation = 0;
  Reason reason = Reason::created;
  bool immediate = false;                 // members switch as they store (breach, removal)
  std::vector<protocol::NodeId> members;  // in the order of sending: those heard of late first
  // Of the members, who has no earlier generation. It uses this one as it stores it, and its first frame
  // switches whoever hears it: so it comes when the others have installed, or data under the new generation
  // would reach members without it.
  std::set<protocol::NodeId> newcomers;
  Duration install_deadline{};  // after it those who have it are switched, the others are stragglers
  Duration request_deadline{};  // how long the engine repeats one request
};

/// A request to one member.
struct RolloutCommand {
  enum class What : std::uint8_t { install, switch_generation } what{};
  protocol::NodeId node_id = 0;
  bool immediate = false;  // of an install
};

struct Straggler {
  protocol::NodeId node_id = 0;
  std::string why;  // "no answer", or the status it answered
};

/// What may be shown of one member.
struct MemberProgress {
  enum class Stage : std::uint8_t {
    install,            // it has not answered that it has the generation
    others,             // it has; the switch comes when the others have too
    switch_generation,  // it has not answered that it uses the generation
    done,
  } stage{};
  std::uint32_t sent = 0;  // requests of this stage; the engine repeats each of them
  Instant since;           // the first of them; before it, since when it is in this stage
  std::string why;         // what became of the last one that failed; empty: none has
};

/// What the owner is told, once each.
struct RolloutReport {
  enum class What : std::uint8_t {
    switching,  // the switch begins: all have installed, or the deadline passed
    settled,    // whoever waits gets an answer: stragglers is empty, or names those that go on in the
                // background
    completed,  // every member is on the generation
  } what{};
  std::vector<Straggler> stragglers;  // at most kNamedStragglers
  std::size_t straggler_count = 0;
};

inline constexpr std::size_t kNamedStragglers = 16;
/// Requests under way at a time: an install of a large roster is tens of kilobytes of locked memory.
inline constexpr std::size_t kRequestsInFlight = 128;
inline constexpr Duration kRetryFirst = std::chrono::seconds(1);
inline constexpr Duration kRetryMost = std::chrono::seconds(60);
/// The engine gives up by itself; this much later a request that was never answered for counts as lost.
inline constexpr Duration kRequestSlack = std::chrono::seconds(5);
/// What a switch may take after the deadline has passed, before the waiting caller is told.
inline constexpr Duration kSwitchAllowance = std::chrono::seconds(5);

class Rollout {
 public:
  enum class Phase : std::uint8_t { installing, switching, completed };

  Rollout(RolloutPlan plan, Instant now);

  /// A member answered the install (ok, or stale_generation: it has this one already).
  void installed(protocol::NodeId node_id, Instant now);
  /// A member answered the switch.
  void switched(protocol::NodeId node_id, Instant now);
  /// A request got no answer or one that is no success; it is tried again, later and later.
  void failed(protocol::NodeId node_id, std::string why, Instant now);
  /// Could not be sent yet, for a reason that passes (an older request to the member is under way).
  void postponed(protocol::NodeId node_id, Instant now);
  /// A member does not know the ASR that it should switch: back to its install.
  void forgotten(protocol::NodeId node_id, Instant now);
  /// A heartbeat: `generation` is what the member is on. A straggler is tried again at once.
  void heard(protocol::NodeId node_id, std::uint32_t generation, Instant now);
  void deadline_reached(Instant now);

  [[nodiscard]] std::optional<Instant> next_deadline() const;
  /// What is to be sent now; empties the list.
  std::vector<RolloutCommand> take_commands(Instant now);
  std::vector<RolloutReport> take_reports();

  [[nodiscard]] const RolloutPlan& plan() const { return plan_; }
  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] bool settled() const { return settled_; }
  [[nodiscard]] Instant started() const { return started_; }
  [[nodiscard]] bool is_member(protocol::NodeId node_id) const { return by_node_.contains(node_id); }
  [[nodiscard]] std::optional<MemberProgress> progress(protocol::NodeId node_id) const;
  [[nodiscard]] Instant phase_since() const { return phase_since_; }
  /// When those who have it are switched, whoever has not; none once the switch has begun.
  [[nodiscard]] std::optional<Instant> switches_at() const;
  /// True once the member has stored the generation.
  [[nodiscard]] bool has_installed(protocol::NodeId node_id) const;
  [[nodiscard]] bool all_installed() const { return installed_ == members_.size(); }
  [[nodiscard]] std::size_t done_count() const { return done_; }
  /// Who is not on the generation yet, in roster order; at most `most`.
  [[nodiscard]] std::vector<Straggler> waiting_for(std::size_t most) const;

 private:
  enum class Progress : std::uint8_t { to_install, installing, installed, switching, done };
  struct Member {
    protocol::NodeId node_id = 0;
    Progress progress = Progress::to_install;
    std::uint32_t failures = 0;
    std::string why = "no answer";
    std::uint32_t sent = 0;        // in this stage
    Instant since;                 // of this stage; from its first request on, when that was sent
    std::optional<Instant> timer;  // in flight: when it counts as lost; else: when to try again
    bool queued = false;           // in ready_
    bool last = false;             // a newcomer that waits for the others
    bool at_once = false;          // the install under way makes the member switch as it stores
  };

  [[nodiscard]] Member* find(protocol::NodeId node_id);
  void set_timer(Member& member, std::optional<Instant> at);
  void enqueue(Member& member);
  void land(Member& member);
  void retry(Member& member, std::string why, Instant now);
  void finish(Member& member);
  void begin_switch(Instant now);
  void let_newcomers_in(Instant now);
  void advance(Instant now);
  void report(RolloutReport::What what);
  [[nodiscard]] std::size_t index_of(const Member& member) const;

  RolloutPlan plan_;
  Instant started_;
  Phase phase_ = Phase::installing;
  Instant phase_since_;
  bool settled_ = false;
  std::vector<Member> members_;
  std::unordered_map<protocol::NodeId, std::size_t> by_node_;
  std::deque<std::size_t> ready_;
  std::set<std::pair<Instant, std::size_t>> timers_;
  std::size_t in_flight_ = 0;
  std::size_t installed_ = 0;  // stored it, switched or not
  std::size_t done_ = 0;
  std::size_t newcomers_ = 0;  // that wait for the others
  std::vector<RolloutReport> reports_;
};

}  // namespace akm::nmm
