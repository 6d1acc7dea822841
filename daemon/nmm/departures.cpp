#include "daemon/nmm/departures.h"

#include "daemon/base/earliest.h"
#include "daemon/protocol/control_body.h"

namespace akm::nmm {
namespace {

constexpr Duration kErrandDeadline = std::chrono::seconds(10);

}  // namespace

void Departures::resume(Instant now) {
  for (const auto& [asr_id, record] : registry_.asrs()) {
    if (!record.leaving.empty()) retire(asr_id, now);
  }
  for (const auto& [node_id, node] : registry_.nodes()) {
    if (node.quarantine_pending) quarantine(node_id, now);
    if (node.zeroize_pending) zeroize(node_id, now);
  }
}

void Departures::retire(protocol::AsrId asr_id, Instant now) {
  const AsrRecord* record = registry_.asr(asr_id);
  if (record == nullptr) return;
  for (const protocol::NodeId node_id : record->leaving) {
    if (errands_.add({node_id, asr_id}, now)) leaving_[asr_id].insert(node_id);
  }
}

void Departures::retire_stray(protocol::NodeId node_id, protocol::AsrId asr_id, Instant now) {
  (void)errands_.add({node_id, asr_id}, now);
}

void Departures::quarantine(protocol::NodeId node_id, Instant now) {
  (void)errands_.add({node_id, 0}, now);
}

/// Under the id of its provisioning relationship, which no other errand has.
void Departures::zeroize(protocol::NodeId node_id, Instant now) {
  const NodeRecord* node = registry_.node(node_id);
  if (node != nullptr) (void)errands_.add({node_id, node->provisioning_asr}, now);
}

void Departures::cancel(protocol::NodeId node_id, protocol::AsrId asr_id) {
  errands_.cancel({node_id, asr_id});
  left(asr_id, node_id);
}

void Departures::cancel_quarantine(protocol::NodeId node_id) {
  errands_.cancel({node_id, 0});
}

bool Departures::blocks(protocol::NodeId node_id, protocol::AsrId asr_id) const {
  return errands_.under_way({node_id, asr_id}) || errands_.under_way({node_id, 0});
}

void Departures::when_gone(protocol::AsrId asr_id, Instant deadline, Done done) {
  if (!leaving_.contains(asr_id)) {
    done({});
    return;
  }
  waiters_.add(asr_id, deadline, std::move(done));
}

void Departures::pump(Instant now) {
  for (const Errand& errand : errands_.take(now)) {
    const NodeRecord* node = registry_.node(errand.node_id);
    const bool erases = node != nullptr && errand.asr_id != 0 && errand.asr_id == node->provisioning_asr;
    // It never held anything; or it was retired, and prepared anew before it could be told.
    if (node == nullptr || node->activated_serial == 0 || (erases && !node->zeroize_pending)) {
      errands_.answered(errand);
      left(errand.asr_id, errand.node_id);
      continue;
    }
    auto handler = [this, errand](const Outcome& outcome, Instant at) { ended(errand, outcome, at); };
    if (errand.asr_id == 0) {
      requests_.send(node->provisioning_asr, protocol::Method::quarantine, protocol::empty_body(),
                     kErrandDeadline, now, std::move(handler));
    } else if (erases) {
      requests_.send(node->provisioning_asr, protocol::Method::zeroize, protocol::empty_body(),
                     kErrandDeadline, now, std::move(handler));
    } else {
      requests_.send(node->provisioning_asr, protocol::Method::retire,
                     protocol::RetireRequest{errand.asr_id}.encode(), kErrandDeadline, now,
                     std::move(handler));
    }
  }
}

void Departures::ended(const Errand& errand, const Outcome& outcome, Instant now) {
  const bool gone = outcome.ok() || outcome.status == protocol::ControlStatus::unknown_asr;
  if (!gone) {
    errands_.failed(errand, now);
    return;
  }
  const bool wanted = errands_.contains(errand);
  errands_.answered(errand);
  if (!wanted) return;
  if (const NodeRecord* node = registry_.node(errand.node_id);
      node != nullptr && errand.asr_id != 0 && errand.asr_id == node->provisioning_asr) {
    if (zeroized_) zeroized_(errand.node_id, outcome.body);
    return;
  }
  registry_.note_erased(errand.node_id, errand.asr_id);
  if (errand.asr_id != 0) {
    left(errand.asr_id, errand.node_id);
    return;
  }
  if (quarantined_) quarantined_(errand.node_id);
  if (const NodeRecord* node = registry_.node(errand.node_id); node != nullptr && node->quarantine_pending) {
    NodeRecord next = *node;
    next.quarantine_pending = false;
    // Where the store refuses, the node is told once more after a restart.
    (void)registry_.put(std::move(next));
  }
}

void Departures::left(protocol::AsrId asr_id, protocol::NodeId node_id) {
  const auto at = leaving_.find(asr_id);
  if (at == leaving_.end()) return;
  at->second.erase(node_id);
  if (!at->second.empty()) return;
  leaving_.erase(at);
  finish(asr_id);
}

/// One write when the last has answered, not one for each: after a restart they are told again, which does no
/// harm.
void Departures::finish(protocol::AsrId asr_id) {
  if (const AsrRecord* record = registry_.asr(asr_id)) {
    if (record->deleted) {
      (void)registry_.remove_asr(asr_id);
    } else if (!record->leaving.empty()) {
      AsrRecord next = *record;
      next.leaving.clear();
      (void)registry_.put(std::move(next));
    }
  }
  for (Done& done : waiters_.take(asr_id)) done({});
  if (gone_) gone_(asr_id);
}

std::optional<Instant> Departures::next_deadline() const {
  Earliest next;
  next.consider(errands_.next_deadline());
  next.consider(waiters_.next_deadline());
  return next.at();
}

void Departures::deadline_reached(Instant now) {
  for (auto& [asr_id, done] : waiters_.take_late(now)) {
    done(fail(Errc::timed_out, "no answer yet from " + registry_.names_of(leaving_[asr_id])));
  }
}

}  // namespace akm::nmm
