#include "daemon/nmm/key_replacement.h"

#include <chrono>

#include "daemon/base/earliest.h"
#include "daemon/base/message_ids.h"

namespace akm::nmm {
namespace {

constexpr std::size_t kAskedAtOnce = 64;
// A node that does not answer holds up nobody: its relationship is rekeyed after the install (upkeep.h).
constexpr Duration kPatience = std::chrono::seconds(10);
// One attack is many records.
constexpr Duration kPause = std::chrono::seconds(60);

}  // namespace

void KeyReplacement::begin(const Breach& breach) {
  const Instant now = core_.now();
  if (!started_ || now - *started_ >= kPause) return start(breach, now);
  if (!next_) next_ = breach;
}

void KeyReplacement::start(const Breach& breach, Instant now) {
  breach_ = breach;
  started_ = now;
  patience_ends_ = now + kPatience;
  waiting_.clear();
  asked_.clear();
  rekeyed_ = 0;
  for (const auto& [node_id, node] : core_.registry.nodes()) {
    if (node.state == NodeState::active) waiting_.push_back(node_id);
  }
  nodes_ = waiting_.size();
  ask_more();
}

void KeyReplacement::ask_more() {
  while (!waiting_.empty() && asked_.size() < kAskedAtOnce) {
    const NodeRecord* node = core_.registry.node(waiting_.front());
    waiting_.pop_front();
    if (node == nullptr) continue;
    asked_.insert(node->node_id);
    core_.post(protocol::RequestRekey{node->provisioning_asr});
  }
  if (asked_.empty()) finish();
}

void KeyReplacement::rekeyed(protocol::NodeId node_id) {
  if (asked_.erase(node_id) == 0) return;
  ++rekeyed_;
  ask_more();
}

void KeyReplacement::finish() {
  patience_ends_.reset();
  waiting_.clear();
  asked_.clear();
  const BreachOutcome outcome = recovery_.own_breach(breach_);
  core_.announce(
      "machine-keys-replaced", 4, message_id::kKeysRevoked,
      "After a breach of this NMM's machine its session keys were replaced, and every relationship "
      "gets new keys.",
      0,
      with_incident({{"nodes", std::to_string(nodes_)},
                     {"rekeyed", std::to_string(rekeyed_)},
                     {"relationships", std::to_string(outcome.asrs.size())},
                     {"reason", outcome.reason}},
                    breach_.incident));
}

std::optional<Instant> KeyReplacement::next_deadline() const {
  Earliest next;
  next.consider(patience_ends_);
  if (next_) next.consider(*started_ + kPause);
  return next.at();
}

void KeyReplacement::deadline_reached(Instant now) {
  if (patience_ends_ && *patience_ends_ <= now) finish();
  if (next_ && *started_ + kPause <= now) {
    const Breach breach = *next_;
    next_.reset();
    start(breach, now);
  }
}

}  // namespace akm::nmm
