#include "daemon/protocol/establishment.h"

#include <algorithm>
#include <iterator>

#include "daemon/protocol/transcript.h"

namespace akm::protocol {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

// A repeat answers a lost frame: soon at first, since links lose single frames, then seldom, since the member
// is away.
constexpr Duration kRepeatFirst = 50ms;
constexpr Duration kRepeatLast = 1s;
// Attempts of a group with a member away: the longest pause between two. One member of a provisioning ASR is
// the only one of it, and an NMM has many such that are switched off.
constexpr Duration kBackOffOperational = 60s;
constexpr Duration kBackOffProvisioning = 600s;
constexpr Duration kRetryWithoutRandomness = 1s;

Duration attempt_timeout(Chain chain, const Policy& policy) {
  switch (chain) {
    case Chain::normal:
      return milliseconds(policy.nset_ms);
    case Chain::fallback:
      return milliseconds(policy.fbset_ms);
    case Chain::failsafe:
      return milliseconds(policy.fsset_ms);
  }
  return milliseconds(policy.nset_ms);
}

std::size_t place_of(const AsrDescription& description, std::uint16_t index) {
  const auto found = std::ranges::lower_bound(description.roster, index, {}, &Member::index);
  return static_cast<std::size_t>(found - description.roster.begin());
}

Bitmap whole_roster(const AsrDescription& description) {
  Bitmap all = Bitmap::for_roster(description);
  for (const Member& member : description.roster) all.set(member.index);
  return all;
}

/// A frame can do two things: tell of a commit, and begin what follows it.
void append(Orders& orders, Orders more) {
  std::ranges::move(more.frames, std::back_inserter(orders.frames));
  orders.durable |= more.durable;
  orders.committed |= more.committed;
  orders.started |= more.started;
  if (more.candidate) orders.candidate = std::move(more.candidate);
  if (more.took != Duration{}) orders.took = more.took;
  if (more.failed) orders.failed = std::move(more.failed);
  if (more.refusal) orders.refusal = more.refusal;
}

}  // namespace

template <Phase From, Input On>
Orders Establishment::take(Move<From, On> move) {
  phase_ = move.next();
  return std::move(move).take_effects();
}

// ---------------------------------------------------------------------------------------------------------------
// Inform: an SEI opened under the committed key.

template <Phase From>
auto Establishment::on_inform(const Surroundings& around, const Heard& heard) -> Move<From, Input::inform> {
  using Moved = Move<From, Input::inform>;
  const SessionPayload& payload = heard.payload;
  Orders orders;
  if (payload.target <= link_.epoch() || payload.target - link_.epoch() > limits::kTargetSkip ||
      around.peers.find(payload.initiator) == nullptr ||
      (payload.closing && payload.initiator != heard.from) ||
      (payload.closing && payload.bitmap != whole_roster(around.description))) {
    orders.refusal = Refusal::not_expected;
    return Moved::template to<From>(std::move(orders));
  }
  if (attempt_) {
    // The higher target wins, at equal target the lower initiator (section 5).
    const bool same = payload.target == attempt_->target && payload.initiator == attempt_->initiator;
    const bool wins = payload.target > attempt_->target ||
                      (payload.target == attempt_->target && payload.initiator < attempt_->initiator);
    if (same && From == Phase::sei) return gather<From>(around, heard, std::move(orders));
    if (same || !wins) {
      // One that is known to have derived is not behind: answering it would be answered again, without end.
      if (!same || !known_sec_.test(heard.from)) answer(around, heard.from, false, orders);
      return Moved::template to<From>(std::move(orders));
    }
  }
  // A member that restarted cannot know how far targets have come; it follows the higher one that we name.
  const bool left_behind = payload.target < link_.lowest_target();
  const std::uint32_t target = left_behind ? link_.lowest_target() : payload.target;
  if (!begin(around, target, left_behind ? around.own_index : payload.initiator)) {
    return Moved::template to<From>(std::move(orders));
  }
  orders.started = true;
  orders.frames.push_back(inform_frame(recipients(around)));
  if (left_behind) return Moved::template to<Phase::sei>(std::move(orders));
  return gather<From>(around, heard, std::move(orders));
}

template <Phase From>
auto Establishment::gather(const Surroundings& around, const Heard& heard, Orders orders)
    -> Move<From, Input::inform> {
  using Moved = Move<From, Input::inform>;
  const bool derived = heard.payload.closing ? derive(around, heard.payload.value, heard.payload.high_epoch)
                                             : add_share(around, heard) && derive_from_shares(around);
  if (!derived) return Moved::template to<Phase::sei>(std::move(orders));
  if (heard.payload.closing) known_sec_.set(heard.from);
  send_confirm(around, orders);
  return Moved::template to<Phase::sec>(std::move(orders));
}

Orders Establishment::dispatch_inform(const Surroundings& around, const Heard& heard) {
  switch (phase_) {
    case Phase::se:
      return take(on_inform<Phase::se>(around, heard));
    case Phase::sei:
      return take(on_inform<Phase::sei>(around, heard));
    case Phase::sec:
      return take(on_inform<Phase::sec>(around, heard));
    case Phase::sef:
      return take(on_inform<Phase::sef>(around, heard));
  }
  return {};
}

/// True when the contribution is new. The first one of a member's newest incarnation counts.
bool Establishment::add_share(const Surroundings& around, const Heard& heard) {
  if (attempt_->shares.empty()) return false;
  Share& share = attempt_->shares[place_of(around.description, heard.from)];
  if (share.here && share.incarnation >= heard.incarnation) return false;
  if (!share.here) ++attempt_->shares_here;
  share.value = heard.payload.value;
  share.high_epoch = heard.payload.high_epoch;
  share.incarnation = heard.incarnation;
  share.here = true;
  reset_repeat(around.now);
  return true;
}

bool Establishment::derive_from_shares(const Surroundings& around) {
  const auto& roster = around.description.roster;
  if (attempt_->shares_here != roster.size()) return false;
  std::vector<Contribution> contributions;
  contributions.reserve(roster.size());
  for (std::size_t place = 0; place < roster.size(); ++place) {
    const Share& share = attempt_->shares[place];
    contributions.push_back({roster[place].index, share.value, share.high_epoch});
  }
  const auto digest = contributions_digest(contributions);
  return digest && derive(around, *digest, highest_epoch(contributions));
}

bool Establishment::derive(const Surroundings& around, const Digest32& digest, std::uint32_t high_epoch) {
  const Bitmap participants = whole_roster(around.description);
  const Digest32 agreed = transcript(around.context, link_.chain(), attempt_->target, attempt_->initiator,
                                     high_epoch, digest, participants);
  auto candidate =
      link_.derive(around.context, attempt_->target, attempt_->initiator, high_epoch, agreed, participants);
  if (!candidate) return false;
  candidate_ = std::move(*candidate);
  digest_ = digest;
  attempt_->shares.clear();  // what they were for is derived
  known_sec_ = only_me(around);
  known_sef_ = Bitmap::for_roster(around.description);
  return true;
}

void Establishment::send_confirm(const Surroundings& around, Orders& orders) {
  const auto to = recipients(around);
  // In star only the initiator has all contributions; the others derive from its D.
  if (star(around) && attempt_->initiator == around.own_index) orders.frames.push_back(closing_frame(to));
  orders.frames.push_back(phase_frame(Phase::sec, to));
  reset_repeat(around.now);
}

// ---------------------------------------------------------------------------------------------------------------
// Confirm and final: SEC and SEF opened under a candidate.

bool Establishment::acceptable(const Surroundings& around, const Heard& heard) const {
  const CandidatePtr candidate = candidate_of(heard.session);
  const SessionPayload& payload = heard.payload;
  return candidate && payload.target == candidate->target && payload.initiator == candidate->initiator &&
         payload.high_epoch == candidate->high_epoch && payload.value == candidate->transcript &&
         payload.bitmap.fits(around.description) && candidate->participants.contains(payload.bitmap) &&
         payload.bitmap.test(heard.from);
}

/// True when the frame told something new.
bool Establishment::merge(const Heard& heard, Bitmap& known, Instant now) {
  if (known.contains(heard.payload.bitmap)) return false;
  known.merge(heard.payload.bitmap);
  reset_repeat(now);
  return true;
}

void Establishment::send_final(const Surroundings& around, Orders& orders) {
  link_.store(candidate_);
  known_sef_.set(around.own_index);
  orders.durable = true;
  orders.candidate = candidate_;
  orders.frames.push_back(phase_frame(Phase::sef, recipients(around)));
  reset_repeat(around.now);
}

auto Establishment::on_confirm_in_sec(const Surroundings& around, const Heard& heard)
    -> Move<Phase::sec, Input::confirm> {
  using Moved = Move<Phase::sec, Input::confirm>;
  Orders orders;
  merge(heard, known_sec_, around.now);
  if (known_sec_.contains(candidate_->participants)) {
    send_final(around, orders);
    return Moved::to<Phase::sef>(std::move(orders));
  }
  // The sender has not heard of us: it is behind in news, if not in phase. Our answer names it, so it is the
  // last one.
  if (!heard.payload.bitmap.test(around.own_index)) answer(around, heard.from, true, orders);
  return Moved::to<Phase::sec>(std::move(orders));
}

auto Establishment::on_confirm_in_sef(const Surroundings& around, const Heard& heard)
    -> Move<Phase::sef, Input::confirm> {
  Orders orders;
  answer(around, heard.from, true, orders);
  return Move<Phase::sef, Input::confirm>::to<Phase::sef>(std::move(orders));
}

auto Establishment::on_final_in_sec(const Surroundings& around, const Heard& heard)
    -> Move<Phase::sec, Input::final> {
  using Moved = Move<Phase::sec, Input::final>;
  Orders orders;
  // Who sends SEF knows that all have derived.
  known_sec_.merge(candidate_->participants);
  merge(heard, known_sef_, around.now);
  known_sef_.set(around.own_index);
  if (known_sef_.contains(candidate_->participants)) {
    // All others have stored it: the commit is the one write that makes it durable here.
    commit(around, candidate_, std::nullopt, orders);
    return Moved::to<Phase::se>(std::move(orders));
  }
  send_final(around, orders);
  return Moved::to<Phase::sef>(std::move(orders));
}

auto Establishment::on_final_in_sef(const Surroundings& around, const Heard& heard)
    -> Move<Phase::sef, Input::final> {
  using Moved = Move<Phase::sef, Input::final>;
  Orders orders;
  merge(heard, known_sef_, around.now);
  if (known_sef_.contains(candidate_->participants)) {
    commit(around, candidate_, std::nullopt, orders);
    return Moved::to<Phase::se>(std::move(orders));
  }
  if (!heard.payload.bitmap.test(around.own_index)) answer(around, heard.from, true, orders);
  return Moved::to<Phase::sef>(std::move(orders));
}

Orders Establishment::dispatch_progress(const Surroundings& around, const Heard& heard) {
  Orders orders;
  if (!acceptable(around, heard)) {
    orders.refusal = Refusal::malformed_payload;
    return orders;
  }
  // A candidate that was left behind: only an SE commits it now (two candidates must never both be committed
  // by their SEFs). Its sender is told of the attempt that won.
  if (!candidate_ || candidate_->session != heard.session) {
    if (phase_ != Phase::se) answer(around, heard.from, false, orders);
    return orders;
  }
  const bool final = heard.payload.event == SessionEvent::sef;
  switch (phase_) {
    case Phase::se:
    case Phase::sei:
      return orders;
    case Phase::sec:
      return final ? take(on_final_in_sec(around, heard)) : take(on_confirm_in_sec(around, heard));
    case Phase::sef:
      return final ? take(on_final_in_sef(around, heard)) : take(on_confirm_in_sef(around, heard));
  }
  return orders;
}

// ---------------------------------------------------------------------------------------------------------------
// Established: somebody has committed this candidate.

void Establishment::commit(const Surroundings& around, const CandidatePtr& candidate,
                           std::optional<std::uint16_t> heard_from, Orders& orders) {
  const CandidatePtr kept = candidate;  // `candidate` may be a member that is reset below
  if (attempt_ && candidate_ == kept) orders.took = around.now - attempt_->started;
  last_ = {kept->initiator, kept->high_epoch, kept->transcript};
  forget_attempt();
  link_.commit(kept, around.now + milliseconds(around.description.policy.grace_ms));
  failures_ = 0;
  last_target_ = 0;
  waited_for_.clear();
  known_se_ = only_me(around);
  if (heard_from) known_se_.set(*heard_from);
  orders.durable = true;
  orders.committed = true;
  orders.frames.push_back(established_frame(around, recipients(around)));
  se_left_ = limits::kRepeatedSe - 1;
  reset_repeat(around.now);
  plan_rekey(around);
}

template <Phase From>
auto Establishment::on_established(const Surroundings& around, std::uint16_t from,
                                   const CandidatePtr& candidate) -> Move<From, Input::established> {
  Orders orders;
  commit(around, candidate, from, orders);
  return Move<From, Input::established>::template to<Phase::se>(std::move(orders));
}

Orders Establishment::dispatch_established(const Surroundings& around, std::uint16_t from,
                                           const CandidatePtr& candidate) {
  switch (phase_) {
    case Phase::se:
      return take(on_established<Phase::se>(around, from, candidate));
    case Phase::sei:
      return take(on_established<Phase::sei>(around, from, candidate));
    case Phase::sec:
      return take(on_established<Phase::sec>(around, from, candidate));
    case Phase::sef:
      return take(on_established<Phase::sef>(around, from, candidate));
  }
  return {};
}

// ---------------------------------------------------------------------------------------------------------------
// Start and timeout.

template <Phase From>
auto Establishment::on_start(const Surroundings& around) -> Move<From, Input::start> {
  Orders orders;
  orders.started = true;
  orders.frames.push_back(inform_frame(recipients(around)));
  return Move<From, Input::start>::template to<Phase::sei>(std::move(orders));
}

Orders Establishment::dispatch_start(const Surroundings& around) {
  const std::uint32_t target = std::max(link_.lowest_target(), last_target_ + 1);
  if (!begin(around, target, around.own_index)) {
    retry_at_ = around.now + kRetryWithoutRandomness;
    return {};
  }
  switch (phase_) {
    case Phase::se:
      return take(on_start<Phase::se>(around));
    case Phase::sei:
      return take(on_start<Phase::sei>(around));
    case Phase::sec:
      return take(on_start<Phase::sec>(around));
    case Phase::sef:
      return take(on_start<Phase::sef>(around));
  }
  return {};
}

/// A new attempt with a fresh contribution; nothing changes when there is no randomness for it.
bool Establishment::begin(const Surroundings& around, std::uint32_t target, std::uint16_t initiator) {
  Attempt attempt;
  attempt.target = target;
  attempt.initiator = initiator;
  attempt.started = around.now;
  if (!around.random.fill(attempt.own.value)) return false;
  attempt.own.high_epoch = around.high_epoch;
  attempt.own.here = true;
  attempt.shares.resize(around.description.roster.size());
  attempt.shares[place_of(around.description, around.own_index)] = attempt.own;
  attempt.shares_here = 1;
  forget_attempt();
  attempt_ = std::move(attempt);
  last_target_ = std::max(last_target_, target);
  timeout_at_ = around.now + attempt_timeout(link_.chain(), around.description.policy);
  se_left_ = 0;
  reset_repeat(around.now);
  return true;
}

template <Phase From>
auto Establishment::on_timeout(const Surroundings& around) -> Move<From, Input::timeout> {
  using Moved = Move<From, Input::timeout>;
  const Policy& policy = around.description.policy;
  Orders orders;
  timeout_at_.reset();
  waited_for_ = missing(around);
  ++failures_;
  orders.failed = FailedAttempt{attempt_->target, failures_, waited_for_};
  // The lowest index heard from goes first; the others take its place when it does not.
  const Duration turn = lowest_heard(around) ? Duration{} : Duration{milliseconds(policy.nnrt_ms)};
  if (failures_ < limits::kAttemptsPerChain) {
    // Until then the phase goes on: what is still on its way may complete it.
    retry_at_ = around.now + turn;
    return Moved::template to<From>(std::move(orders));
  }
  const Duration longest =
      around.description.kind == Kind::provisioning ? kBackOffProvisioning : kBackOffOperational;
  const std::size_t doublings = std::min<std::size_t>(failures_ - limits::kAttemptsPerChain, 16);
  const Duration pause = attempt_timeout(link_.chain(), policy) * (std::int64_t{1} << doublings);
  forget_attempt();
  repeat_at_.reset();
  retry_at_ = around.now + std::min(pause, longest) + turn;
  return Moved::template to<Phase::se>(std::move(orders));
}

Orders Establishment::dispatch_timeout(const Surroundings& around) {
  switch (phase_) {
    case Phase::se:
      timeout_at_.reset();
      return {};
    case Phase::sei:
      return take(on_timeout<Phase::sei>(around));
    case Phase::sec:
      return take(on_timeout<Phase::sec>(around));
    case Phase::sef:
      return take(on_timeout<Phase::sef>(around));
  }
  return {};
}

// ---------------------------------------------------------------------------------------------------------------
// Repeat.

auto Establishment::on_repeat_in_se(const Surroundings& around) -> Move<Phase::se, Input::repeat> {
  Orders orders;
  const auto to = but(recipients(around), known_se_);
  if (se_left_ == 0 || to.empty()) {
    repeat_at_.reset();
  } else {
    orders.frames.push_back(established_frame(around, to));
    --se_left_;
    repeat_later(around.now);
  }
  return Move<Phase::se, Input::repeat>::to<Phase::se>(std::move(orders));
}

auto Establishment::on_repeat_in_sei(const Surroundings& around) -> Move<Phase::sei, Input::repeat> {
  Orders orders;
  auto to = recipients(around);
  // In mesh all get it again: who lacks our contribution cannot say so before it has derived.
  if (star(around) && attempt_->initiator == around.own_index) to = missing(around);
  orders.frames.push_back(inform_frame(to));
  repeat_later(around.now);
  return Move<Phase::sei, Input::repeat>::to<Phase::sei>(std::move(orders));
}

auto Establishment::on_repeat_in_sec(const Surroundings& around) -> Move<Phase::sec, Input::repeat> {
  using Moved = Move<Phase::sec, Input::repeat>;
  Orders orders;
  auto to = recipients(around);
  if (star(around) && attempt_->initiator == around.own_index) to = missing(around);
  orders.frames.push_back(phase_frame(Phase::sec, to));
  repeat_later(around.now);
  return Moved::to<Phase::sec>(std::move(orders));
}

auto Establishment::on_repeat_in_sef(const Surroundings& around) -> Move<Phase::sef, Input::repeat> {
  using Moved = Move<Phase::sef, Input::repeat>;
  Orders orders;
  auto to = recipients(around);
  if (star(around) && attempt_->initiator == around.own_index) to = missing(around);
  orders.frames.push_back(phase_frame(Phase::sef, to));
  repeat_later(around.now);
  return Moved::to<Phase::sef>(std::move(orders));
}

Orders Establishment::dispatch_repeat(const Surroundings& around) {
  switch (phase_) {
    case Phase::se:
      return take(on_repeat_in_se(around));
    case Phase::sei:
      return take(on_repeat_in_sei(around));
    case Phase::sec:
      return take(on_repeat_in_sec(around));
    case Phase::sef:
      return take(on_repeat_in_sef(around));
  }
  return {};
}

// ---------------------------------------------------------------------------------------------------------------
// The ways in.

Orders Establishment::hear(const Surroundings& around, const Heard& heard) {
  // A member that the last attempts waited for is there again: no need to sit out the pause.
  if (phase_ == Phase::se && retry_at_ && std::ranges::find(waited_for_, heard.from) != waited_for_.end()) {
    const auto lower = std::min<std::size_t>(place_of(around.description, around.own_index), 50);
    retry_at_ = std::min(*retry_at_, around.now + kRepeatFirst * static_cast<std::int64_t>(lower));
  }
  if (heard.session == link_.previous()) return hear_previous(around, heard);
  if (heard.session == link_.session()) return hear_committed(around, heard);
  const SessionEvent event = heard.payload.event;
  if (event == SessionEvent::sec || event == SessionEvent::sef) return dispatch_progress(around, heard);
  // SE and SEI are sent under a key that is committed, so their sender has committed this candidate.
  const CandidatePtr candidate = candidate_of(heard.session);
  if (!candidate || heard.payload.target < candidate->target) {
    Orders orders;
    orders.refusal = Refusal::malformed_payload;
    return orders;
  }
  Orders orders = dispatch_established(around, heard.from, candidate);
  if (event == SessionEvent::sei) append(orders, dispatch_inform(around, heard));
  return orders;
}

Orders Establishment::hear_other(const Surroundings& around, std::uint16_t from,
                                 const std::shared_ptr<Session>& session) {
  const CandidatePtr candidate = candidate_of(session);
  if (!candidate) return {};
  return dispatch_established(around, from, candidate);
}

Orders Establishment::hear_committed(const Surroundings& around, const Heard& heard) {
  Orders orders;
  switch (heard.payload.event) {
    case SessionEvent::sei:
      return dispatch_inform(around, heard);
    case SessionEvent::sec:
    case SessionEvent::sef:
      // What is our committed key is still a candidate to the sender.
      if (heard.payload.target == link_.epoch()) {
        orders.frames.push_back(established_frame(around, {heard.from}));
      } else {
        orders.refusal = Refusal::malformed_payload;
      }
      return orders;
    case SessionEvent::se:
      if (heard.payload.target != link_.epoch()) {
        orders.refusal = Refusal::not_expected;
        return orders;
      }
      known_se_.set(heard.from);
      // It may have restarted inside our attempt: it learns of it now.
      if (phase_ != Phase::se) answer(around, heard.from, false, orders);
      return orders;
  }
  return orders;
}

Orders Establishment::hear_previous(const Surroundings& around, const Heard& heard) {
  Orders orders;
  // Late, or behind: one that is behind learns the committed epoch under the key that it still has.
  const bool names_ours = heard.payload.event == SessionEvent::se && heard.payload.target >= link_.epoch();
  if (names_ours || known_se_.test(heard.from)) return orders;
  SessionPayload payload;
  payload.target = link_.epoch();
  payload.high_epoch = around.high_epoch;
  orders.frames.push_back({{heard.from}, link_.previous(), std::move(payload)});
  return orders;
}

Orders Establishment::start(const Surroundings& around) {
  const bool under_way = phase_ != Phase::se && !retry_at_;
  if (under_way || !around.reachable) return {};
  return dispatch_start(around);
}

void Establishment::resume(const Surroundings& around) {
  known_se_ = only_me(around);
  plan_rekey(around);
  if (!link_.stored().empty()) {
    // After a crash between candidate and commit: both are held, and SEF is repeated (section 5).
    candidate_ = link_.stored().back();
    attempt_.emplace();
    attempt_->target = candidate_->target;
    attempt_->initiator = candidate_->initiator;
    attempt_->started = around.now;
    last_target_ = candidate_->target;
    known_sec_ = candidate_->participants;
    known_sef_ = only_me(around);
    timeout_at_ = around.now + attempt_timeout(link_.chain(), around.description.policy);
    phase_ = Phase::sef;
    repeat_interval_ = kRepeatFirst;
    repeat_at_ = around.now;
    return;
  }
  // Says that this incarnation is there: a group inside an attempt tells it, one that lags behind a switch
  // follows.
  if (!around.reachable) return;
  se_left_ = limits::kRepeatedSe;
  repeat_interval_ = kRepeatFirst;
  repeat_at_ = around.now;
}

Orders Establishment::tick(const Surroundings& around) {
  if (link_.previous() && link_.previous_until() <= around.now) link_.drop_previous();
  const auto due = [&](const std::optional<Instant>& at) { return at && *at <= around.now; };
  if (due(retry_at_)) {
    retry_at_.reset();
    return dispatch_start(around);
  }
  if (due(timeout_at_)) return dispatch_timeout(around);
  if (due(repeat_at_)) return dispatch_repeat(around);
  if (due(rekey_at_)) {
    rekey_at_.reset();  // planned again with the commit, or when a member can be reached
    return start(around);
  }
  return {};
}

std::optional<Instant> Establishment::next_deadline() const {
  std::optional<Instant> next;
  const auto consider = [&](const std::optional<Instant>& at) {
    if (at && (!next || *at < *next)) next = at;
  };
  consider(retry_at_);
  consider(timeout_at_);
  consider(repeat_at_);
  consider(rekey_at_);
  if (link_.previous()) consider(link_.previous_until());
  return next;
}

void Establishment::plan_rekey(const Surroundings& around) {
  rekey_at_.reset();
  const std::uint32_t interval_s = around.description.policy.rekey_interval_s;
  if (interval_s == 0) return;
  // Per mille of the interval. The lowest index goes first, 0 to 10 % early; the others follow, later with
  // their index, so that one attempt is enough, and the next one starts it where the lowest is away.
  const std::uint32_t drawn = random_u32(around.random).value_or(UINT32_MAX / 2);
  const auto jitter = static_cast<std::int64_t>((std::uint64_t{drawn} * 100) >> 32);
  const auto place =
      static_cast<std::int64_t>(std::min<std::size_t>(place_of(around.description, around.own_index), 16));
  const std::int64_t per_mille = place == 0 ? 900 + jitter : 1000 + 5 * place + jitter / 10;
  rekey_at_ = around.now + milliseconds(std::int64_t{interval_s} * per_mille);
}

void Establishment::reset_repeat(Instant now) {
  repeat_interval_ = kRepeatFirst;
  repeat_at_ = now + repeat_interval_;
}

void Establishment::repeat_later(Instant now) {
  repeat_interval_ = std::min<Duration>(repeat_interval_ * 2, kRepeatLast);
  repeat_at_ = now + repeat_interval_;
}

void Establishment::forget_attempt() {
  attempt_.reset();
  candidate_.reset();
  digest_ = {};
  known_sec_ = {};
  known_sef_ = {};
  timeout_at_.reset();
  retry_at_.reset();
}

}  // namespace akm::protocol
