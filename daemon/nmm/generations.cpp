#include "daemon/nmm/generations.h"

#include <algorithm>
#include <chrono>

#include "daemon/nmm/roster_change.h"

namespace akm::nmm {
namespace {

using protocol::ControlStatus;

/// Credentials of epoch 0 serve as long as the group can still be at epoch 1: members rekey by themselves
/// after it.
Duration credentials_kept(const protocol::Policy& policy) {
  const Duration useful = std::chrono::seconds(policy.rekey_interval_s) * 9 / 10;
  const Duration least = std::chrono::seconds(policy.install_deadline_s) + 2 * kSwitchAllowance;
  return std::max(useful, least);
}

/// too_large is said before anything changes, not by each member's silence.
Status check_size(const protocol::AsrDescription& description) {
  protocol::InstallRequest request;
  request.asr.description = description;
  AKM_TRY(request.encode());
  return {};
}

std::string names_of(const Registry& registry, const RolloutReport& report) {
  std::string out;
  for (const Straggler& straggler : report.stragglers) {
    const NodeRecord* node = registry.node(straggler.node_id);
    if (!out.empty()) out += ", ";
    out += (node != nullptr ? node->name : "?") + " (" + straggler.why + ")";
  }
  if (report.straggler_count > report.stragglers.size()) out += ", ...";
  return out;
}

}  // namespace

RolloutPlan Generations::plan_for(const AsrRecord& record) const {
  RolloutPlan plan;
  plan.asr_id = record.description.id;
  plan.generation = record.description.generation;
  plan.reason = record.reason;
  plan.immediate = record.immediate;
  plan.install_deadline = std::chrono::seconds(record.description.policy.install_deadline_s);
  plan.request_deadline = std::chrono::seconds(record.description.policy.control_deadline_s);
  std::vector<std::pair<Instant, protocol::NodeId>> by_hearing;
  for (const protocol::Member& member : record.description.roster) {
    const NodeRecord* node = parts_.registry.node(member.node_id);
    if (node != nullptr && !node->reported.contains(plan.asr_id)) plan.newcomers.insert(member.node_id);
    by_hearing.emplace_back(node != nullptr ? node->last_heard : Instant{}, member.node_id);
  }
  // Those heard of late first: an answer that is slow to come must not hold a place that others need.
  std::ranges::stable_sort(by_hearing, std::greater{}, &std::pair<Instant, protocol::NodeId>::first);
  for (const auto& [heard, node_id] : by_hearing) plan.members.push_back(node_id);
  return plan;
}

void Generations::enter(const AsrRecord& record, protocol::Chains chains, Instant now,
                        std::vector<Done> waiters) {
  protocol::InstallRequest request;
  request.asr.description = record.description;
  request.asr.chains = std::move(chains);
  Entry entry{Rollout(plan_for(record), now),
              std::move(request),
              now + credentials_kept(record.description.policy),
              Instant{},
              std::move(waiters),
              std::nullopt};
  const auto [at, added] = entries_.emplace(record.description.id, std::move(entry));
  set_timer(at->second);
  touch(record.description.id);
}

Status Generations::resume(Instant now) {
  for (const auto& [asr_id, record] : parts_.registry.asrs()) {
    if (record.complete || record.deleted) continue;
    auto chains = parts_.credentials.read(asr_id, record.description.generation);
    if (chains) enter(record, std::move(*chains), now, {});
  }
  return parts_.credentials.sweep([this](protocol::AsrId asr_id) { return entries_.contains(asr_id); });
}

/// The members are ahead of these records, which are an older copy: whom the roster has lost since then,
/// nobody here knows, and it must not get keys again by itself. An operator looks first, and asks for a
/// generation.
bool Generations::held(protocol::AsrId asr_id, Reason reason) const {
  return ahead_.contains(asr_id) && (reason == Reason::resync || reason == Reason::renewal);
}

bool Generations::note_ahead(protocol::AsrId asr_id, std::uint32_t generation) {
  std::uint32_t& known = ahead_[asr_id];
  if (known >= generation) return false;
  known = generation;
  return true;
}

Status Generations::start(AsrRecord next, Reason reason, bool immediate, Instant now, Done done) {
  if (held(next.description.id, reason)) {
    return fail(Errc::wrong_state,
                "its members are ahead of this NMM's records; see the findings of nmm status");
  }
  AKM_ASSIGN(Prepared prepared, prepare(std::move(next), reason, immediate, now));
  Registry::Change change;
  change.others.push_back({prepared.credentials.name, prepared.credentials.record.reveal()});
  change.asrs.push_back(prepared.record);
  AKM_TRY(parts_.registry.put(std::move(change)));
  begin(std::move(prepared), now, std::move(done));
  return {};
}

Result<Generations::Prepared> Generations::prepare(AsrRecord next, Reason reason, bool immediate,
                                                   Instant now) {
  const protocol::AsrId asr_id = next.description.id;
  if (next.unconfirmed) {
    const std::string& label = next.description.label;
    return fail(Errc::wrong_state, label +
                                       " is as a backup has it: see who is a member (akmctl asr show), put "
                                       "out who is not (akmctl asr remove), then akmctl asr confirm " +
                                       label);
  }
  std::uint32_t generation = 1;
  if (const AsrRecord* present = parts_.registry.asr(asr_id)) {
    if (present->description.generation == UINT32_MAX) return fail(Errc::exhausted, "generations");
    // The caller may ask for a higher number: where members are ahead of a restored registry.
    generation = std::max(present->description.generation + 1, next.description.generation);
  }
  if (const auto ahead = ahead_.find(asr_id); ahead != ahead_.end()) {
    if (ahead->second == UINT32_MAX) return fail(Errc::exhausted, "generations");
    generation = std::max(generation, ahead->second + 1);
  }
  const auto old = entries_.find(asr_id);
  // Members may still be on what a breach made unsafe.
  if (old != entries_.end() && old->second.rollout.plan().immediate) immediate = true;
  next.description.generation = generation;
  next.reason = reason;
  next.immediate = immediate;
  next.complete = false;
  next.rotation_pending = true;  // in the write that the generation costs anyway
  next.installed_at_s = parts_.clock.seconds(now);
  refresh_members(next.description, parts_.registry);
  AKM_TRY(next.description.check());
  AKM_TRY(check_size(next.description));
  AKM_ASSIGN(auto credentials, parts_.credentials.draw(asr_id, generation));
  return Prepared{std::move(next), std::move(credentials)};
}

void Generations::begin(Prepared prepared, Instant now, Done done) {
  const protocol::AsrId asr_id = prepared.record.description.id;
  ahead_.erase(asr_id);
  std::vector<Done> waiters;
  if (const auto old = entries_.find(asr_id); old != entries_.end()) {
    waiters = std::move(old->second.waiters);
    clear_timer(old->second);
    entries_.erase(old);
  }
  if (done) waiters.push_back(std::move(done));
  enter(prepared.record, std::move(prepared.credentials.chains), now, std::move(waiters));
  for (const protocol::Member& member : prepared.record.description.roster)
    parts_.departures.cancel(member.node_id, asr_id);
  if (!prepared.record.leaving.empty()) parts_.departures.retire(asr_id, now);
}

void Generations::drop(protocol::AsrId asr_id) {
  const auto at = entries_.find(asr_id);
  if (at != entries_.end()) {
    for (Done& done : at->second.waiters) done(fail(Errc::interrupted, "the relationship was deleted"));
    at->second.waiters.clear();
    clear_timer(at->second);
    entries_.erase(at);
  }
  dirty_.erase(asr_id);
  ahead_.erase(asr_id);
  (void)parts_.credentials.erase(asr_id);  // what is left is swept at the next start
}

Generations::Entry* Generations::entry(protocol::AsrId asr_id, std::uint32_t generation) {
  const auto at = entries_.find(asr_id);
  if (at == entries_.end() || at->second.rollout.plan().generation != generation) return nullptr;
  return &at->second;
}

const Rollout* Generations::rollout(protocol::AsrId asr_id) const {
  const auto at = entries_.find(asr_id);
  return at == entries_.end() ? nullptr : &at->second.rollout;
}

bool Generations::heard(protocol::NodeId node_id, protocol::AsrId asr_id, std::uint32_t generation,
                        Instant now) {
  const auto at = entries_.find(asr_id);
  if (at == entries_.end() || !at->second.rollout.is_member(node_id)) return false;
  if (generation > at->second.rollout.plan().generation) return false;
  const std::size_t before = at->second.rollout.done_count();
  at->second.rollout.heard(node_id, generation, now);
  tell_done(at->second, before, node_id, now);
  touch(asr_id);
  return true;
}

void Generations::send(Entry& entry, const RolloutCommand& command, Instant now) {
  const RolloutPlan& plan = entry.rollout.plan();
  const NodeRecord* node = parts_.registry.node(command.node_id);
  if (node == nullptr) {
    entry.rollout.failed(command.node_id, "unknown node", now);
    return;
  }
  // A retire that is still repeated would erase what is installed now.
  if (parts_.departures.blocks(command.node_id, plan.asr_id)) {
    entry.rollout.postponed(command.node_id, now);
    return;
  }
  const auto asr_id = plan.asr_id;
  const auto generation = plan.generation;
  const auto node_id = command.node_id;
  if (command.what == RolloutCommand::What::switch_generation) {
    parts_.requests.send(node->provisioning_asr, protocol::Method::switch_generation,
                         protocol::SwitchRequest{asr_id, generation}.encode(), plan.request_deadline, now,
                         [this, asr_id, generation, node_id](const Outcome& outcome, Instant at) {
                           switch_ended(asr_id, generation, node_id, outcome, at);
                         });
    return;
  }
  if (held_back_ && held_back_(node_id)) {
    entry.rollout.failed(node_id, "its session key is replaced first", now);
    return;
  }
  const protocol::Member* member = entry.request.asr.description.member_by_node(node_id);
  entry.request.index = member != nullptr ? member->index : 0;
  entry.request.immediate = command.immediate;
  entry.request.retire = command.immediate ? generation - 1 : 0;
  auto body = entry.request.encode();
  if (!body) {
    entry.rollout.failed(node_id, body.error().message(), now);
    return;
  }
  parts_.requests.send_secret(node->provisioning_asr, protocol::Method::install, std::move(*body),
                              plan.request_deadline, now,
                              [this, asr_id, generation, node_id](const Outcome& outcome, Instant at) {
                                install_ended(asr_id, generation, node_id, outcome, at);
                              });
}

void Generations::install_ended(protocol::AsrId asr_id, std::uint32_t generation, protocol::NodeId node_id,
                                const Outcome& outcome, Instant now) {
  Entry* at = entry(asr_id, generation);
  if (at == nullptr) return;  // a newer generation has taken its place
  if (outcome.ok() || outcome.status == ControlStatus::stale_generation) {
    at->last_answer = now;
    parts_.registry.note_held(node_id, asr_id, generation, now);
    const std::size_t before = at->rollout.done_count();
    at->rollout.installed(node_id, now);
    tell_done(*at, before, node_id, now);
    if (installed_) installed_(node_id, now);
  } else {
    at->rollout.failed(node_id, outcome.why(), now);
  }
  touch(asr_id);
}

void Generations::switch_ended(protocol::AsrId asr_id, std::uint32_t generation, protocol::NodeId node_id,
                               const Outcome& outcome, Instant now) {
  Entry* at = entry(asr_id, generation);
  if (at == nullptr) return;
  if (outcome.ok() || outcome.status == ControlStatus::stale_generation) {
    at->last_answer = now;
    parts_.registry.note_held(node_id, asr_id, generation, now);
    const std::size_t before = at->rollout.done_count();
    at->rollout.switched(node_id, now);
    tell_done(*at, before, node_id, now);
  } else if (outcome.status == ControlStatus::unknown_asr) {
    at->rollout.forgotten(node_id, now);
  } else {
    at->rollout.failed(node_id, outcome.why(), now);
  }
  touch(asr_id);
}

void Generations::tell_done(const Entry& entry, std::size_t before, protocol::NodeId node_id,
                            Instant now) const {
  if (member_done_ && entry.rollout.done_count() > before) member_done_(entry.rollout.plan(), node_id, now);
}

void Generations::answer_waiters(Entry& entry, const RolloutReport& report) {
  for (Done& done : std::exchange(entry.waiters, {})) {
    if (report.straggler_count == 0) {
      done({});
    } else {
      done(fail(Errc::timed_out, "it goes on in the background for " + names_of(parts_.registry, report)));
    }
  }
}

void Generations::tell(Entry& entry, const RolloutReport& report) {
  const RolloutPlan& plan = entry.rollout.plan();
  GenerationNews news;
  news.asr_id = plan.asr_id;
  news.generation = plan.generation;
  news.reason = plan.reason;
  news.report = report;
  news.started = entry.rollout.started();
  news.last_answer = entry.last_answer;
  news.members = plan.members.size();
  news.done = entry.rollout.done_count();
  if (news_) news_(news);
}

/// The last member has answered: the NMM forgets the secrets, on disk first.
void Generations::complete(Entries::iterator at) {
  if (const AsrRecord* record = parts_.registry.asr(at->first)) {
    AsrRecord next = *record;
    next.complete = true;
    (void)parts_.registry.put(std::move(next));  // where it fails, a restart asks all members once more
  }
  close(at);
}

void Generations::close(Entries::iterator at) {
  (void)parts_.credentials.erase(at->first);
  clear_timer(at->second);
  entries_.erase(at);
}

void Generations::pump(Instant now) {
  while (!dirty_.empty()) {
    const protocol::AsrId asr_id = *dirty_.begin();
    dirty_.erase(dirty_.begin());
    const auto at = entries_.find(asr_id);
    if (at == entries_.end()) continue;
    for (const RolloutCommand& command : at->second.rollout.take_commands(now))
      send(at->second, command, now);
    bool completed = false;
    for (const RolloutReport& report : at->second.rollout.take_reports()) {
      if (report.what == RolloutReport::What::settled) answer_waiters(at->second, report);
      completed = completed || report.what == RolloutReport::What::completed;
      tell(at->second, report);
    }
    if (completed) {
      complete(at);
    } else {
      set_timer(at->second);
    }
  }
}

void Generations::clear_timer(Entry& entry) {
  if (entry.timer) timers_.erase({*entry.timer, entry.rollout.plan().asr_id});
  entry.timer.reset();
}

void Generations::set_timer(Entry& entry) {
  clear_timer(entry);
  const auto rollout = entry.rollout.next_deadline();
  entry.timer = rollout ? std::min(*rollout, entry.keep_until) : entry.keep_until;
  timers_.emplace(*entry.timer, entry.rollout.plan().asr_id);
}

std::optional<Instant> Generations::next_deadline() const {
  if (timers_.empty()) return std::nullopt;
  return timers_.begin()->first;
}

void Generations::deadline_reached(Instant now) {
  while (!timers_.empty() && timers_.begin()->first <= now) {
    const auto at = entries_.find(timers_.begin()->second);
    at->second.rollout.deadline_reached(now);
    touch(at->first);
    if (now >= at->second.keep_until && at->second.rollout.settled()) {
      // Late members now need another generation; the secrets of this one serve nobody any more.
      if (at->second.rollout.phase() == Rollout::Phase::completed) {
        clear_timer(at->second);  // pump() closes it
      } else {
        close(at);
      }
      continue;
    }
    const auto due = at->second.timer;
    set_timer(at->second);
    // Not twice in one turn, whatever the rollout says: pump() sends first, then sets the timer anew.
    if (at->second.timer && *at->second.timer <= now && due) clear_timer(at->second);
  }
}

}  // namespace akm::nmm
