#include "daemon/nmm/rollout.h"

#include <algorithm>

#include "daemon/base/earliest.h"

namespace akm::nmm {
namespace {

Duration back_off(std::uint32_t failures) {
  Duration wait = kRetryFirst;
  for (std::uint32_t i = 1; i < failures && wait < kRetryMost; ++i) wait *= 2;
  return std::min(wait, kRetryMost);
}

}  // namespace

std::string_view reason_name(Reason reason) {
  switch (reason) {
    case Reason::created:
      return "created";
    case Reason::member_added:
      return "member-added";
    case Reason::member_removed:
      return "member-removed";
    case Reason::operator_request:
      return "operator-request";
    case Reason::renewal:
      return "renewal";
    case Reason::resync:
      return "resync";
    case Reason::breach:
      return "breach";
    case Reason::readmission:
      return "readmission";
  }
  return "unknown";
}

Rollout::Rollout(RolloutPlan plan, Instant now) : plan_(std::move(plan)), started_(now), phase_since_(now) {
  members_.reserve(plan_.members.size());
  for (const protocol::NodeId node_id : plan_.members) {
    if (!by_node_.emplace(node_id, members_.size()).second) continue;
    Member& member = members_.emplace_back();
    member.node_id = node_id;
    member.since = now;
    member.last = !plan_.immediate && plan_.newcomers.contains(node_id);
    if (member.last) ++newcomers_;
  }
  for (Member& member : members_) {
    if (!member.last) enqueue(member);
  }
  advance(now);
}

std::size_t Rollout::index_of(const Member& member) const {
  return static_cast<std::size_t>(&member - members_.data());
}

Rollout::Member* Rollout::find(protocol::NodeId node_id) {
  const auto at = by_node_.find(node_id);
  return at == by_node_.end() ? nullptr : &members_[at->second];
}

void Rollout::set_timer(Member& member, std::optional<Instant> at) {
  if (member.timer) timers_.erase({*member.timer, index_of(member)});
  member.timer = at;
  if (at) timers_.emplace(*at, index_of(member));
}

void Rollout::enqueue(Member& member) {
  if (member.queued) return;
  member.queued = true;
  ready_.push_back(index_of(member));
}

/// A request under way has come to its end, whatever the end.
void Rollout::land(Member& member) {
  if (member.progress == Progress::installing || member.progress == Progress::switching) {
    --in_flight_;
    member.progress = member.progress == Progress::installing ? Progress::to_install : Progress::installed;
  }
  set_timer(member, std::nullopt);
}

void Rollout::finish(Member& member) {
  land(member);
  if (member.progress == Progress::done) return;
  if (std::exchange(member.last, false)) --newcomers_;
  if (member.progress == Progress::to_install) ++installed_;
  member.progress = Progress::done;
  ++done_;
}

void Rollout::installed(protocol::NodeId node_id, Instant now) {
  Member* member = find(node_id);
  if (member == nullptr) return;
  const bool at_once = member->at_once;
  if (member->progress == Progress::installing || member->progress == Progress::to_install) {
    land(*member);
    member->failures = 0;
    if (at_once) {
      finish(*member);
    } else {
      member->progress = Progress::installed;
      member->sent = 0;
      member->since = now;
      ++installed_;
      if (phase_ == Phase::switching) enqueue(*member);
    }
  }
  advance(now);
}

void Rollout::switched(protocol::NodeId node_id, Instant now) {
  Member* member = find(node_id);
  if (member == nullptr) return;
  finish(*member);
  advance(now);
}

void Rollout::retry(Member& member, std::string why, Instant now) {
  land(member);
  if (member.progress == Progress::done) return;
  ++member.failures;
  member.why = std::move(why);
  set_timer(member, now + back_off(member.failures));
}

void Rollout::failed(protocol::NodeId node_id, std::string why, Instant now) {
  Member* member = find(node_id);
  if (member == nullptr) return;
  if (member->progress == Progress::installing || member->progress == Progress::switching) {
    retry(*member, std::move(why), now);
  }
  advance(now);
}

void Rollout::postponed(protocol::NodeId node_id, Instant now) {
  Member* member = find(node_id);
  if (member == nullptr ||
      (member->progress != Progress::installing && member->progress != Progress::switching))
    return;
  land(*member);
  if (member->sent > 0) --member->sent;
  set_timer(*member, now + kRetryFirst);
}

void Rollout::forgotten(protocol::NodeId node_id, Instant now) {
  Member* member = find(node_id);
  if (member == nullptr || member->progress == Progress::done) return;
  land(*member);
  if (member->progress == Progress::installed) --installed_;
  member->progress = Progress::to_install;
  member->sent = 0;
  member->since = now;
  retry(*member, "it does not know the relationship", now);
  advance(now);
}

void Rollout::heard(protocol::NodeId node_id, std::uint32_t generation, Instant now) {
  Member* member = find(node_id);
  if (member == nullptr) return;
  if (generation >= plan_.generation) {
    finish(*member);  // a node also switches by itself, on the first frame of another member
  } else if (!member->last && member->failures > 0 &&
             (member->progress == Progress::to_install || member->progress == Progress::installed)) {
    set_timer(*member, std::nullopt);
    enqueue(*member);
  }
  advance(now);
}

void Rollout::deadline_reached(Instant now) {
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Member& member = members_[timers_.begin()->second];
    set_timer(member, std::nullopt);
    if (member.progress == Progress::installing || member.progress == Progress::switching) {
      retry(member, "no answer", now);
    } else {
      enqueue(member);
    }
  }
  advance(now);
}

std::optional<Instant> Rollout::next_deadline() const {
  Earliest next;
  if (!timers_.empty()) next.consider(timers_.begin()->first);
  if (phase_ == Phase::installing && !plan_.immediate) next.consider(started_ + plan_.install_deadline);
  if (!settled_)
    next.consider(started_ + plan_.install_deadline + (plan_.immediate ? Duration{} : kSwitchAllowance));
  return next.at();
}

void Rollout::let_newcomers_in(Instant now) {
  newcomers_ = 0;
  for (Member& member : members_) {
    if (!std::exchange(member.last, false)) continue;
    member.since = now;
    enqueue(member);
  }
}

void Rollout::begin_switch(Instant now) {
  phase_ = Phase::switching;
  phase_since_ = now;
  report(RolloutReport::What::switching);
  for (Member& member : members_) {
    if (member.progress == Progress::installed) enqueue(member);
  }
}

void Rollout::advance(Instant now) {
  const bool overdue = now >= started_ + plan_.install_deadline;
  const bool all_others_installed = installed_ + newcomers_ >= members_.size();
  const bool let_in = newcomers_ > 0 && (all_others_installed || overdue);
  if (let_in) let_newcomers_in(now);
  if (phase_ == Phase::installing && !plan_.immediate && (all_installed() || overdue)) begin_switch(now);
  if (phase_ != Phase::completed && done_ == members_.size()) {
    phase_ = Phase::completed;
    timers_.clear();
    if (!settled_) {
      settled_ = true;
      report(RolloutReport::What::settled);
    }
    report(RolloutReport::What::completed);
    return;
  }
  if (settled_ || !overdue || let_in) return;
  const bool all_switched = plan_.immediate || installed_ == done_;
  if (all_switched || now >= started_ + plan_.install_deadline + kSwitchAllowance) {
    settled_ = true;
    report(RolloutReport::What::settled);
  }
}

std::vector<RolloutCommand> Rollout::take_commands(Instant now) {
  std::vector<RolloutCommand> out;
  while (!ready_.empty() && in_flight_ < kRequestsInFlight) {
    Member& member = members_[ready_.front()];
    ready_.pop_front();
    member.queued = false;
    if (member.progress == Progress::to_install) {
      member.progress = Progress::installing;
      // Who comes after the switch finds nobody left on the old generation: no reason to wait.
      member.at_once = plan_.immediate || phase_ == Phase::switching;
      out.push_back({RolloutCommand::What::install, member.node_id, member.at_once});
    } else if (member.progress == Progress::installed && phase_ == Phase::switching) {
      member.progress = Progress::switching;
      out.push_back({RolloutCommand::What::switch_generation, member.node_id, false});
    } else {
      continue;
    }
    ++in_flight_;
    if (member.sent++ == 0) member.since = now;
    set_timer(member, now + plan_.request_deadline + kRequestSlack);
  }
  return out;
}

std::vector<RolloutReport> Rollout::take_reports() {
  return std::exchange(reports_, {});
}

bool Rollout::has_installed(protocol::NodeId node_id) const {
  const auto at = by_node_.find(node_id);
  if (at == by_node_.end()) return false;
  const Progress progress = members_[at->second].progress;
  return progress != Progress::to_install && progress != Progress::installing;
}

std::optional<MemberProgress> Rollout::progress(protocol::NodeId node_id) const {
  using Stage = MemberProgress::Stage;
  const auto at = by_node_.find(node_id);
  if (at == by_node_.end()) return std::nullopt;
  const Member& member = members_[at->second];
  MemberProgress out{Stage::done, member.sent, member.since, member.failures > 0 ? member.why : ""};
  switch (member.progress) {
    case Progress::to_install:
    case Progress::installing:
      out.stage = Stage::install;
      break;
    case Progress::installed:
      out.stage = phase_ == Phase::installing ? Stage::others : Stage::switch_generation;
      break;
    case Progress::switching:
      out.stage = Stage::switch_generation;
      break;
    case Progress::done:
      break;
  }
  return out;
}

std::optional<Instant> Rollout::switches_at() const {
  if (phase_ != Phase::installing || plan_.immediate) return std::nullopt;
  return started_ + plan_.install_deadline;
}

std::vector<Straggler> Rollout::waiting_for(std::size_t most) const {
  std::vector<Straggler> out;
  for (const Member& member : members_) {
    if (out.size() == most) break;
    if (member.progress != Progress::done) out.push_back({member.node_id, member.why});
  }
  return out;
}

void Rollout::report(RolloutReport::What what) {
  RolloutReport out;
  out.what = what;
  if (what != RolloutReport::What::completed) out.stragglers = waiting_for(kNamedStragglers);
  out.straggler_count = members_.size() - done_;
  reports_.push_back(std::move(out));
}

}  // namespace akm::nmm
