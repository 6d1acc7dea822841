#pragma once
// Nodes that leave: retire and quarantine are told to them until they answer, also after a restart of the
// NMM. Nobody's new key waits for them.
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>

#include "daemon/base/control_types.h"
#include "daemon/nmm/errands.h"
#include "daemon/nmm/registry.h"
#include "daemon/nmm/requests.h"
#include "daemon/nmm/waiters.h"

namespace akm::nmm {

class Departures {
 public:
  Departures(Registry& registry, Requests& requests) : registry_(registry), requests_(requests) {}

  /// At start: what the records say is still to be told.
  void resume(Instant now);
  /// All of `leaving` of this ASR's record (stored already) are told to retire it.
  void retire(protocol::AsrId asr_id, Instant now);
  /// A member told us of a relationship that is not (any more) its own.
  void retire_stray(protocol::NodeId node_id, protocol::AsrId asr_id, Instant now);
  /// The node's record says quarantine_pending already.
  void quarantine(protocol::NodeId node_id, Instant now);
  /// Told to erase itself; the node's record says zeroize_pending already. What it answers goes to
  /// on_zeroized().
  void zeroize(protocol::NodeId node_id, Instant now);
  using Zeroized = std::function<void(protocol::NodeId, std::span<const std::uint8_t> body)>;
  void on_zeroized(Zeroized handler) { zeroized_ = std::move(handler); }
  /// Told when a node has answered its quarantine.
  void on_quarantined(std::function<void(protocol::NodeId)> handler) { quarantined_ = std::move(handler); }
  /// The node comes back into the ASR, or out of quarantine.
  void cancel(protocol::NodeId node_id, protocol::AsrId asr_id);
  void cancel_quarantine(protocol::NodeId node_id);
  void heard(protocol::NodeId node_id, Instant now) { errands_.heard(node_id, now); }

  /// True while a retire or quarantine may still reach the node: an install has to wait.
  [[nodiscard]] bool blocks(protocol::NodeId node_id, protocol::AsrId asr_id) const;
  /// How the node was told to retire the ASR (0: of its quarantine); none once it has answered.
  [[nodiscard]] std::optional<Told> told(protocol::NodeId node_id, protocol::AsrId asr_id) const {
    return errands_.told({node_id, asr_id});
  }
  /// Answers when all of an ASR's leaving nodes have answered, or timed_out naming the others at `deadline`.
  void when_gone(protocol::AsrId asr_id, Instant deadline, Done done);
  /// Told when the last leaving node of an ASR has answered.
  void on_gone(std::function<void(protocol::AsrId)> handler) { gone_ = std::move(handler); }

  /// Sends what is due.
  void pump(Instant now);
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached(Instant now);

 private:
  void ended(const Errand& errand, const Outcome& outcome, Instant now);
  void left(protocol::AsrId asr_id, protocol::NodeId node_id);
  void finish(protocol::AsrId asr_id);

  Registry& registry_;
  Requests& requests_;
  Errands errands_;
  std::map<protocol::AsrId, std::set<protocol::NodeId>> leaving_;
  Waiters waiters_;
  std::function<void(protocol::AsrId)> gone_;
  Zeroized zeroized_;
  std::function<void(protocol::NodeId)> quarantined_;
};

}  // namespace akm::nmm
