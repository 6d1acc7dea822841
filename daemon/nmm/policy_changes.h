#pragma once
// A relationship's new policy on its way to the members: each is told until it has answered, also after a
// restart of the NMM. What is told is always the record's present policy.
#include <functional>
#include <map>
#include <set>

#include "daemon/nmm/errands.h"
#include "daemon/nmm/registry.h"
#include "daemon/nmm/requests.h"
#include "daemon/nmm/waiters.h"

namespace akm::nmm {

class PolicyChanges {
 public:
  PolicyChanges(Registry& registry, Requests& requests) : registry_(registry), requests_(requests) {}

  /// At start: what the records say is still to be told.
  void resume(Instant now);
  /// All of `policy_pending` of this ASR's record (stored already) are told.
  void tell(protocol::AsrId asr_id, Instant now);
  void heard(protocol::NodeId node_id, Instant now) { errands_.heard(node_id, now); }
  /// Answers when all members have the policy, or timed_out naming the others at `deadline`.
  void when_told(protocol::AsrId asr_id, Instant deadline, Done done);
  /// Told when the last member of an ASR has answered.
  void on_told(std::function<void(protocol::AsrId)> handler) { told_ = std::move(handler); }

  /// Sends what is due.
  void pump(Instant now);
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached(Instant now);

 private:
  void ended(const Errand& errand, const protocol::Policy& sent, const Outcome& outcome, Instant now);
  void done_with(const Errand& errand);

  Registry& registry_;
  Requests& requests_;
  Errands errands_;
  std::map<protocol::AsrId, std::set<protocol::NodeId>> pending_;
  Waiters waiters_;
  std::function<void(protocol::AsrId)> told_;
};

}  // namespace akm::nmm
