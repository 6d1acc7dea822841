#include "daemon/protocol/ladder.h"

#include <algorithm>

#include "daemon/base/earliest.h"

namespace akm::protocol {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::array kDownwards{Chain::failsafe, Chain::fallback, Chain::normal};

// A group with a member away: the longest pause before the chains are tried again. One member of a
// provisioning ASR is the only one of it, and an NMM has many such that are switched off.
constexpr Duration kBackOffOperational = 60s;
constexpr Duration kBackOffProvisioning = 600s;

/// So that who was cut off is back within FBSET of being reachable again.
Duration remind_interval(const Surroundings& around) {
  return Duration(milliseconds(around.description.policy.fbset_ms)) / 2;
}

std::optional<Chain> above(Chain chain) {
  if (chain == Chain::failsafe) return std::nullopt;
  return static_cast<Chain>(static_cast<std::uint8_t>(chain) + 1);
}

}  // namespace

ChainLinks Ladder::links() const {
  return {&chains_[0].link(), &chains_[1].link(), &chains_[2].link()};
}

std::uint32_t Ladder::high_epoch() const {
  return std::max(chain(Chain::normal).link().highest_epoch(), chain(Chain::fallback).link().highest_epoch());
}

Chain Ladder::active() const {
  for (const Chain which : kDownwards) {
    if (chain(which).phase() != Phase::se) return which;
  }
  return Chain::normal;
}

bool Ladder::busy_above(Chain which) const {
  return active() > which;
}

/// Where an attempt may be made: not below a stored candidate of a chain above. Others may commit that at any
/// time; an attempt below it would lead to another key from the same base, and whoever commits that cannot
/// follow them.
Chain Ladder::lowest_open() const {
  for (const Chain which : kDownwards) {
    if (!chain(which).link().stored().empty()) return which;
  }
  return Chain::normal;
}

/// Attempts that re-root begin at a distance from the last re-root; one that had begun before goes on.
Instant Ladder::not_before(const Surroundings& around, Chain which) const {
  if (which == Chain::normal || !last_reroot_) return around.now;
  return std::max(around.now, *last_reroot_ + seconds(around.description.policy.resync_min_interval_s));
}

Surroundings Ladder::seen_from(const Surroundings& around, Chain which) const {
  Surroundings own = around;
  own.not_before = not_before(around, which);
  own.may_join = !busy_above(which) && lowest_open() <= which &&
                 (chain(which).phase() != Phase::se || own.not_before <= around.now);
  return own;
}

void Ladder::resume_after_restart(const Surroundings& around) {
  chain(Chain::normal).resume_after_restart(around);
  const Chain which = lowest_open();
  if (!chain(which).link().stored().empty()) chain(which).resume_candidate(around);
}

Orders Ladder::start(const Surroundings& around) {
  const Chain which = lowest_open();
  return settle(around, which, chain(which).start(seen_from(around, which)));
}

/// The candidate of a chain above whose commit leads to `session`.
std::optional<Ladder::Proof> Ladder::rerooted_by(const std::shared_ptr<Session>& session) const {
  for (const Chain which : {Chain::failsafe, Chain::fallback}) {
    for (const CandidatePtr& candidate : chain(which).candidates()) {
      if (std::ranges::find(candidate->reroots, session, &Reroot::session) != candidate->reroots.end()) {
        return Proof{which, candidate};
      }
    }
  }
  return std::nullopt;
}

/// The others stand where a stored candidate leads: the SE that commits it is on its way.
bool Ladder::holds_next(std::uint32_t epoch) const {
  return std::ranges::any_of(kDownwards, [&](Chain which) {
    return std::ranges::any_of(chain(which).link().stored(), [&](const CandidatePtr& stored) {
      return stored->target == epoch || std::ranges::any_of(stored->reroots, [&](const Reroot& start) {
               return start.next.epoch == epoch;
             });
    });
  });
}

Orders Ladder::hear(const Surroundings& around, const Heard& heard) {
  Orders orders;
  if (const auto proof = rerooted_by(heard.session)) {
    if (heard.payload.target <= proof->candidate->high_epoch) {
      orders.refusal = Refusal::malformed_payload;
      return orders;
    }
    orders = settle(around, proof->chain, chain(proof->chain).follow(around, heard.from, proof->candidate));
  }
  const Chain which = heard.session->chain();
  const SessionPayload& payload = heard.payload;
  if (which != Chain::normal && payload.event == SessionEvent::se &&
      payload.target == chain(which).link().epoch()) {
    orders.append(heard_reminder(around, payload));
    return orders;
  }
  Orders more = chain(which).hear(seen_from(around, which), heard);
  if (more.behind && holds_next(heard.payload.target)) more.behind = false;
  orders.append(settle(around, which, std::move(more)));
  // Who speaks on a chain below does not know of our attempt: it joins when it hears of it.
  const Chain busy = active();
  if (busy > which) orders.append(chain(busy).answer_behind(around, heard.from));
  return orders;
}

Orders Ladder::hear_other(const Surroundings& around, std::uint16_t from,
                          const std::shared_ptr<Session>& session) {
  if (const auto proof = rerooted_by(session)) {
    return settle(around, proof->chain, chain(proof->chain).follow(around, from, proof->candidate));
  }
  const Chain which = session->chain();
  return settle(around, which, chain(which).hear_other(around, from, session));
}

/// Others have gone on without us, if the normal epoch that they name is above ours.
Orders Ladder::heard_reminder(const Surroundings& around, const SessionPayload& payload) {
  Orders orders;
  const bool ahead =
      payload.high_epoch > chain(Chain::normal).link().epoch() && !holds_next(payload.high_epoch);
  // From the lowest chain that may help: the failsafe chain is used once.
  if (ahead && !busy_above(Chain::normal)) escalate(around, Chain::normal, around.now, orders);
  if (!ahead) orders.refusal = Refusal::not_expected;
  return orders;
}

/// What a step of one chain means for the others.
Orders Ladder::settle(const Surroundings& around, Chain which, Orders orders) {
  if (orders.started) {
    escalation_.reset();
    for (const Chain below : kDownwards) {
      if (below < which) chain(below).supersede();
    }
  }
  if (orders.committed) committed(around, which, orders);
  if (orders.tell) {
    // Before what is already there: who can follow does so before it learns that it is behind.
    Orders told = chain(Chain::normal).tell(around, *orders.tell);
    orders.tell.reset();
    std::ranges::move(orders.frames, std::back_inserter(told.frames));
    orders.frames = std::move(told.frames);
  }
  if (orders.behind && !busy_above(which)) escalate(around, which, around.now, orders);
  if (orders.used_up) escalate(around, which, around.now + *orders.used_up, orders);
  return orders;
}

void Ladder::committed(const Surroundings& around, Chain which, Orders& orders) {
  escalation_.reset();
  rounds_ = 0;
  for (const Chain other : kDownwards) {
    if (other > which && chain(other).phase() == Phase::se) chain(other).forget_failures();
  }
  remember_left_out(around, *orders.settled);
  if (which == Chain::normal) return drop_passed();
  last_reroot_ = around.now;
  for (const Chain below : {Chain::fallback, Chain::normal}) {
    if (below < which) orders.append(chain(below).reroot(around, orders.settled, orders.settled_from));
  }
  drop_passed();
  // It is used once: only a new generation brings another.
  if (which == Chain::failsafe) orders.chains_exhausted = true;
}

/// What was stored on a chain above, given up, and passed by a commit below: whoever followed it now would
/// leave those with whom it has agreed since.
void Ladder::drop_passed() {
  for (const Chain which : {Chain::fallback, Chain::failsafe}) chain(which).link().drop_passed(links());
}

/// The lowest index of those who agreed reminds the others, who may not know that they were left out.
void Ladder::remember_left_out(const Surroundings& around, const Candidate& settled) {
  left_out_.clear();
  remind_at_.reset();
  bool lowest = true;
  for (const Member& member : around.description.roster) {
    if (settled.participants.test(member.index)) {
      lowest &= member.index >= around.own_index;
    } else {
      left_out_.push_back(member.index);
    }
  }
  if (!lowest) left_out_.clear();
  if (!left_out_.empty()) remind_at_ = around.now + remind_interval(around);
}

/// The chain above takes its turn at `at`, or when the distance of re-roots allows it. Where there is none
/// only a new generation helps.
void Ladder::escalate(const Surroundings& around, Chain from, Instant at, Orders& orders) {
  const auto to = above(from);
  if (to && !chain(*to).link().is_spent()) {
    const Instant allowed = std::max(at, not_before(around, *to));
    if (escalation_ && escalation_->to > from && escalation_->at <= allowed) return;
    escalation_ = Escalation{*to, allowed};
    if (allowed > at) try_lowest_again(around, at);
    return;
  }
  escalation_.reset();
  orders.chains_exhausted = true;
  try_lowest_again(around, at);
}

/// Meanwhile: who was away may be back.
void Ladder::try_lowest_again(const Surroundings& around, Instant at) {
  const Chain which = lowest_open();
  if (chain(which).phase() != Phase::se) return;
  const Policy& policy = around.description.policy;
  const Duration longest =
      around.description.kind == Kind::provisioning ? kBackOffProvisioning : kBackOffOperational;
  const Duration pause = Duration(milliseconds(policy.nset_ms)) * (std::int64_t{1} << std::min(rounds_, 16U));
  ++rounds_;
  chain(which).retry(std::max(at + std::min(pause, longest), not_before(around, which)));
}

Orders Ladder::start_above(const Surroundings& around) {
  const Chain to = escalation_->to;
  escalation_.reset();
  if (chain(to).phase() != Phase::se) return {};
  return settle(around, to, chain(to).start(seen_from(around, to)));
}

Orders Ladder::tick(const Surroundings& around) {
  Orders orders;
  for (const Chain which : kDownwards) {
    orders.append(settle(around, which, chain(which).tick(seen_from(around, which))));
  }
  if (escalation_ && escalation_->at <= around.now) orders.append(start_above(around));
  if (remind_at_ && *remind_at_ <= around.now) {
    remind_at_ = around.now + remind_interval(around);
    const std::uint32_t epoch = chain(Chain::normal).link().epoch();
    for (const Chain which : {Chain::fallback, Chain::failsafe}) {
      orders.append(chain(which).remind(left_out_, epoch));
    }
  }
  return orders;
}

std::optional<Instant> Ladder::next_deadline() const {
  Earliest next;
  for (const Establishment& chain : chains_) next.consider(chain.next_deadline());
  if (escalation_) next.consider(escalation_->at);
  next.consider(remind_at_);
  return next.at();
}

std::vector<std::shared_ptr<Session>> Ladder::sessions(Chain which, std::uint32_t epoch) const {
  auto list = chain(which).sessions(epoch);
  for (const Chain higher : {Chain::fallback, Chain::failsafe}) {
    if (higher <= which) continue;
    for (const CandidatePtr& candidate : chain(higher).candidates()) {
      const Reroot* start = candidate->reroot_of(which);
      if (start != nullptr && start->next.epoch == epoch) list.push_back(start->session);
    }
  }
  return list;
}

bool Ladder::is_candidate(const std::shared_ptr<Session>& session) const {
  return chain(session->chain()).is_candidate(session) || rerooted_by(session).has_value();
}

std::shared_ptr<Session> Ladder::next_normal() const {
  for (const Chain which : kDownwards) {
    if (chain(which).link().stored().empty()) continue;
    const CandidatePtr& newest = chain(which).link().stored().back();
    const Reroot* start = newest->reroot_of(Chain::normal);
    return start != nullptr ? start->session : newest->session;
  }
  return nullptr;
}

bool Ladder::has_candidate() const {
  return std::ranges::any_of(chains_, [](const Establishment& chain) { return chain.has_candidate(); });
}

}  // namespace akm::protocol
