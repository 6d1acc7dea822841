#pragma once
// Carries rollouts out: numbers the generation, draws its credentials, makes both durable, sends, and erases
// the credentials when the last member has answered.
//
// After a restart in the middle: where the credentials are still there, the same generation is finished (a
// member that has it answers stale_generation, which counts); where they are gone, they had been kept long
// enough, and whoever comes late gets a new generation with all others.
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/nmm/credentials.h"
#include "daemon/nmm/departures.h"
#include "daemon/nmm/registry.h"
#include "daemon/nmm/requests.h"
#include "daemon/nmm/rollout.h"
#include "daemon/nmm/running_clock.h"
#include "daemon/protocol/control_body.h"

namespace akm::nmm {

/// A rollout's report, with what its owner knows.
struct GenerationNews {
  protocol::AsrId asr_id = 0;
  std::uint32_t generation = 0;
  Reason reason{};
  RolloutReport report;
  Instant started;
  Instant last_answer;  // when the last member answered that it has it; 0: none yet
  std::size_t members = 0;
  std::size_t done = 0;
};

class Generations {
 public:
  struct Parts {
    Registry& registry;
    Credentials& credentials;
    Requests& requests;
    Departures& departures;
    const RunningClock& clock;
  };
  explicit Generations(const Parts& parts) : parts_(parts) {}

  /// A node to which nothing secret is sent yet; it is asked at each try.
  void hold_back(std::function<bool(protocol::NodeId)> handler) { held_back_ = std::move(handler); }
  void on_news(std::function<void(const GenerationNews&)> handler) { news_ = std::move(handler); }
  /// A member has stored a generation: its provisioning ASR is due for a rekey (section 6).
  void on_member_installed(std::function<void(protocol::NodeId, Instant)> handler) {
    installed_ = std::move(handler);
  }

  /// A member is on a rollout's generation.
  void on_member_done(std::function<void(const RolloutPlan&, protocol::NodeId, Instant)> handler) {
    member_done_ = std::move(handler);
  }

  /// At start. Erases credentials that nobody waits for.
  Status resume(Instant now);

  /// Starts the next generation: `next` holds the new roster, policy and leaving nodes; number, completeness
  /// and time are set here. It takes the place of one under way, with its waiters, and with its haste.
  /// Durable when it returns. too_large (roster does not fit an install), exhausted, errors of the store;
  /// nothing has changed then.
  Status start(AsrRecord next, Reason reason, bool immediate, Instant now, Done done = {});
  /// The two halves of start(), for a caller that stores more in the same writing: `record` and `credentials`
  /// of what prepare() returns are stored when begin() is called, in the same turn. Nothing has changed
  /// before.
  struct Prepared {
    AsrRecord record;
    Credentials::Drawn credentials;
  };
  Result<Prepared> prepare(AsrRecord next, Reason reason, bool immediate, Instant now);
  void begin(Prepared prepared, Instant now, Done done);
  /// The relationship is deleted: nobody is to get its credentials any more.
  void drop(protocol::AsrId asr_id);

  /// A member holds a newer generation than is known here: this NMM's records are an older copy. The next one
  /// made goes above it, and no resync or renewal is made by itself. True when this is news.
  bool note_ahead(protocol::AsrId asr_id, std::uint32_t generation);
  /// The members say otherwise.
  void forget_ahead(protocol::AsrId asr_id) { ahead_.erase(asr_id); }
  /// The relationships that this was noted of, with the newest generation that a member named.
  [[nodiscard]] const std::map<protocol::AsrId, std::uint32_t>& ahead() const { return ahead_; }

  /// What a member's heartbeat said. True when a rollout of this ASR is under way and takes care of it.
  bool heard(protocol::NodeId node_id, protocol::AsrId asr_id, std::uint32_t generation, Instant now);
  [[nodiscard]] const Rollout* rollout(protocol::AsrId asr_id) const;

  /// Something is left for pump().
  [[nodiscard]] bool has_work() const { return !dirty_.empty(); }
  /// Sends what is due and tells the news.
  void pump(Instant now);
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached(Instant now);

 private:
  struct Entry {
    Rollout rollout;
    protocol::InstallRequest request;  // with the credentials
    Instant keep_until;                // of the credentials
    Instant last_answer{};
    std::vector<Done> waiters;
    std::optional<Instant> timer;
  };
  using Entries = std::map<protocol::AsrId, Entry>;

  [[nodiscard]] RolloutPlan plan_for(const AsrRecord& record) const;
  void enter(const AsrRecord& record, protocol::Chains chains, Instant now, std::vector<Done> waiters);
  Entry* entry(protocol::AsrId asr_id, std::uint32_t generation);
  void send(Entry& entry, const RolloutCommand& command, Instant now);
  void install_ended(protocol::AsrId asr_id, std::uint32_t generation, protocol::NodeId node_id,
                     const Outcome& outcome, Instant now);
  void switch_ended(protocol::AsrId asr_id, std::uint32_t generation, protocol::NodeId node_id,
                    const Outcome& outcome, Instant now);
  void tell_done(const Entry& entry, std::size_t before, protocol::NodeId node_id, Instant now) const;
  void tell(Entry& entry, const RolloutReport& report);
  void answer_waiters(Entry& entry, const RolloutReport& report);
  void complete(Entries::iterator at);
  void close(Entries::iterator at);
  void touch(protocol::AsrId asr_id) { dirty_.insert(asr_id); }
  [[nodiscard]] bool held(protocol::AsrId asr_id, Reason reason) const;
  void set_timer(Entry& entry);
  void clear_timer(Entry& entry);

  Parts parts_;
  Entries entries_;
  std::set<protocol::AsrId> dirty_;
  std::map<protocol::AsrId, std::uint32_t> ahead_;
  std::set<std::pair<Instant, protocol::AsrId>> timers_;
  std::function<bool(protocol::NodeId)> held_back_;
  std::function<void(const GenerationNews&)> news_;
  std::function<void(protocol::NodeId, Instant)> installed_;
  std::function<void(const RolloutPlan&, protocol::NodeId, Instant)> member_done_;
};

}  // namespace akm::nmm
