#include "daemon/nmm/policy_changes.h"

#include <algorithm>
#include <chrono>

#include "daemon/base/earliest.h"
#include "daemon/protocol/control_body.h"

namespace akm::nmm {
namespace {

constexpr Duration kErrandDeadline = std::chrono::seconds(10);

}  // namespace

void PolicyChanges::resume(Instant now) {
  for (const auto& [asr_id, record] : registry_.asrs()) {
    if (!record.policy_pending.empty()) tell(asr_id, now);
  }
}

void PolicyChanges::tell(protocol::AsrId asr_id, Instant now) {
  const AsrRecord* record = registry_.asr(asr_id);
  if (record == nullptr) return;
  // One that is under way is not sent twice: when it ends, it is seen to have carried an older policy.
  for (const protocol::NodeId node_id : record->policy_pending) {
    if (errands_.add({node_id, asr_id}, now)) pending_[asr_id].insert(node_id);
  }
}

void PolicyChanges::when_told(protocol::AsrId asr_id, Instant deadline, Done done) {
  if (!pending_.contains(asr_id)) {
    done({});
    return;
  }
  waiters_.add(asr_id, deadline, std::move(done));
}

void PolicyChanges::pump(Instant now) {
  for (const Errand& errand : errands_.take(now)) {
    const NodeRecord* node = registry_.node(errand.node_id);
    const AsrRecord* record = registry_.asr(errand.asr_id);
    const bool member = node != nullptr && record != nullptr && !record->deleted &&
                        record->description.member_by_node(errand.node_id) != nullptr;
    if (!member) {  // it has left meanwhile
      done_with(errand);
      continue;
    }
    const protocol::PolicyUpdate update{errand.asr_id, record->description.policy};
    requests_.send(node->provisioning_asr, protocol::Method::policy, update.encode(), kErrandDeadline, now,
                   [this, errand, sent = update.policy](const Outcome& outcome, Instant at) {
                     ended(errand, sent, outcome, at);
                   });
  }
}

void PolicyChanges::ended(const Errand& errand, const protocol::Policy& sent, const Outcome& outcome,
                          Instant now) {
  // A member without the relationship gets the policy with the generation that it is sent.
  const bool answered = outcome.ok() || outcome.status == protocol::ControlStatus::unknown_asr;
  const AsrRecord* record = registry_.asr(errand.asr_id);
  const bool newer = record != nullptr && !record->deleted && record->description.policy != sent;
  if (!answered || newer) {
    errands_.failed(errand, now);
    if (answered) errands_.heard(errand.node_id, now);
    return;
  }
  done_with(errand);
}

void PolicyChanges::done_with(const Errand& errand) {
  errands_.answered(errand);
  const auto at = pending_.find(errand.asr_id);
  if (at == pending_.end()) return;
  at->second.erase(errand.node_id);
  if (!at->second.empty()) return;
  pending_.erase(at);
  // One write when the last has answered: after a restart all are told again, which changes nothing in them.
  if (const AsrRecord* record = registry_.asr(errand.asr_id);
      record != nullptr && !record->policy_pending.empty()) {
    AsrRecord next = *record;
    next.policy_pending.clear();
    (void)registry_.put(std::move(next));
  }
  for (Done& done : waiters_.take(errand.asr_id)) done({});
  if (told_) told_(errand.asr_id);
}

std::optional<Instant> PolicyChanges::next_deadline() const {
  Earliest next;
  next.consider(errands_.next_deadline());
  next.consider(waiters_.next_deadline());
  return next.at();
}

void PolicyChanges::deadline_reached(Instant now) {
  for (auto& [asr_id, done] : waiters_.take_late(now)) {
    const auto missing = pending_.find(asr_id);
    done(fail(Errc::timed_out,
              "no answer yet from " +
                  (missing == pending_.end() ? std::string() : registry_.names_of(missing->second))));
  }
}

}  // namespace akm::nmm
