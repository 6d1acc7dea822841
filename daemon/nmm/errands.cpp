#include "daemon/nmm/errands.h"

#include <algorithm>

namespace akm::nmm {
namespace {

Duration back_off(std::uint32_t failures) {
  Duration wait = kErrandRetryFirst;
  for (std::uint32_t i = 1; i < failures && wait < kErrandRetryMost; ++i) wait *= 2;
  return std::min(wait, kErrandRetryMost);
}

}  // namespace

void Errands::set_due(Entries::iterator at, std::optional<Instant> due) {
  if (at->second.due) due_.erase({*at->second.due, at->first});
  at->second.due = due;
  if (due) due_.emplace(*due, at->first);
}

void Errands::erase(Entries::iterator at) {
  set_due(at, std::nullopt);
  entries_.erase(at);
}

bool Errands::add(const Errand& errand, Instant now) {
  if (const auto old = entries_.find(errand); old != entries_.end()) {
    old->second.cancelled = false;
    return true;
  }
  if (entries_.size() >= kErrands) return false;
  const auto added = entries_.emplace(errand, Entry{}).first;
  added->second.told.since = now;
  set_due(added, now);
  return true;
}

void Errands::cancel(const Errand& errand) {
  const auto at = entries_.find(errand);
  if (at == entries_.end()) return;
  if (at->second.due) {
    erase(at);
  } else {
    at->second.cancelled = true;
  }
}

void Errands::answered(const Errand& errand) {
  const auto at = entries_.find(errand);
  if (at != entries_.end()) erase(at);
}

void Errands::failed(const Errand& errand, Instant now) {
  const auto at = entries_.find(errand);
  if (at == entries_.end()) return;
  if (at->second.cancelled) {
    erase(at);
    return;
  }
  ++at->second.failures;
  set_due(at, now + back_off(at->second.failures));
}

void Errands::heard(protocol::NodeId node_id, Instant now) {
  for (auto at = entries_.lower_bound({node_id, 0}); at != entries_.end() && at->first.node_id == node_id;
       ++at) {
    if (at->second.due && *at->second.due > now) set_due(at, now);
  }
}

bool Errands::under_way(const Errand& errand) const {
  const auto at = entries_.find(errand);
  return at != entries_.end() && !at->second.due;
}

bool Errands::contains(const Errand& errand) const {
  const auto at = entries_.find(errand);
  return at != entries_.end() && !at->second.cancelled;
}

std::optional<Told> Errands::told(const Errand& errand) const {
  const auto at = entries_.find(errand);
  if (at == entries_.end() || at->second.cancelled) return std::nullopt;
  return at->second.told;
}

std::optional<Instant> Errands::next_deadline() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

std::vector<Errand> Errands::take(Instant now) {
  std::vector<Errand> out;
  while (!due_.empty() && due_.begin()->first <= now) {
    const auto at = entries_.find(due_.begin()->second);
    out.push_back(at->first);
    set_due(at, std::nullopt);
    ++at->second.told.times;
  }
  return out;
}

}  // namespace akm::nmm
