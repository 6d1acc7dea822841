// Attempts as time drives them (section 5): start, repeat, timeout, the next attempt, the next timed rekey.
#include <algorithm>

#include "daemon/base/earliest.h"
#include "daemon/crypto/secret_observer.h"
#include "daemon/protocol/establishment.h"

namespace akm::protocol {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

// A repeat answers a lost frame: soon at first, since links lose single frames, then seldom, since the member
// is away.
constexpr Duration kRepeatFirst = 50ms;
constexpr Duration kRepeatLast = 1s;
constexpr Duration kRetryWithoutRandomness = 1s;

// Members that cannot tell who of them is lowest take turns by their place, so far apart that the next one
// has heard the SEI of the one before.
constexpr Duration kTurn = 50ms;
constexpr std::size_t kTurns = 40;

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

/// Section 5: three attempts, but one on the failsafe chain.
constexpr std::uint32_t attempts_of(Chain chain) {
  return chain == Chain::failsafe ? 1 : limits::kAttemptsPerChain;
}

constexpr std::int64_t kJitterSteps = 100;

/// 0 to 99; the middle without randomness.
std::int64_t jitter_step(RandomSource& random) {
  const std::uint32_t drawn = random_u32(random).value_or(UINT32_MAX / 2);
  return static_cast<std::int64_t>((std::uint64_t{drawn} * static_cast<std::uint64_t>(kJitterSteps)) >> 32);
}

bool is_nmm(const Surroundings& around) {
  return around.description.kind == Kind::provisioning && around.own_index == kNmmIndex;
}

}  // namespace

std::size_t Establishment::place_of(const AsrDescription& description, std::uint16_t index) {
  const auto found = std::ranges::lower_bound(description.roster, index, {}, &Member::index);
  return static_cast<std::size_t>(found - description.roster.begin());
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
  if (!begin(around, next_target(), around.own_index)) {
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

/// Above everything that was tried since the last commit, or that a re-root may lead to.
std::uint32_t Establishment::next_target() const {
  return std::max(link_.highest_epoch(), last_target_) + 1;
}

/// A new attempt with a fresh contribution; nothing changes when there is no randomness for it.
bool Establishment::begin(const Surroundings& around, std::uint32_t target, std::uint16_t initiator) {
  Attempt attempt;
  attempt.target = target;
  attempt.initiator = initiator;
  attempt.started = around.now;
  SecretBuffer value(32);
  if (!around.random.fill(value.reveal_mutable())) return false;
  crypto::observe_secret("contribution", value.reveal());
  attempt.own.value = std::make_shared<const SecretBuffer>(std::move(value));
  attempt.own.high_epoch = around.high_epoch;
  attempt.own.here = true;
  attempt.shares.resize(around.description.roster.size());
  attempt.shares[place_of(around.description, around.own_index)] = attempt.own;
  attempt.shares_here = 1;
  forget_attempt();
  attempt_ = std::move(attempt);
  last_target_ = std::max(last_target_, target);
  timeout_at_ = around.now + attempt_timeout(link_.chain(), around.description.policy);
  if (initiator == around.own_index && around.description.policy.quorum == Quorum::majority) {
    close_at_ = around.now + milliseconds(around.description.policy.nnrt_ms);
  }
  se_left_ = 0;
  reset_repeat(around.now);
  return true;
}

auto Establishment::on_close(const Surroundings& around) -> Move<Phase::sei, Input::close> {
  using Moved = Move<Phase::sei, Input::close>;
  close_at_.reset();  // from now on each contribution may be the one that is enough
  Orders orders;
  if (!derive_from_shares(around)) return Moved::to<Phase::sei>(std::move(orders));
  send_confirm(around, orders);
  return Moved::to<Phase::sec>(std::move(orders));
}

template <Phase From>
auto Establishment::on_superseded() -> Move<From, Input::superseded> {
  forget_attempt();
  repeat_at_.reset();
  se_left_ = 0;
  return Move<From, Input::superseded>::template to<Phase::se>({});
}

void Establishment::supersede() {
  switch (phase_) {
    case Phase::se:
      return (void)take(on_superseded<Phase::se>());
    case Phase::sei:
      return (void)take(on_superseded<Phase::sei>());
    case Phase::sec:
      return (void)take(on_superseded<Phase::sec>());
    case Phase::sef:
      return (void)take(on_superseded<Phase::sef>());
  }
}

Duration Establishment::turn_of_place(const Surroundings& around) {
  return kTurn * static_cast<std::int64_t>(std::min(place_of(around.description, around.own_index), kTurns));
}

/// The lowest index heard from goes first; the others take its place when it does not.
Duration Establishment::next_turn(const Surroundings& around) const {
  const Duration nnrt = milliseconds(around.description.policy.nnrt_ms);
  if (!lowest_heard(around)) return nnrt;
  // In star a member hears the initiator alone: when that is away, each would take itself for the lowest.
  return star(around) ? std::min(turn_of_place(around), nnrt) : Duration{};
}

template <Phase From>
auto Establishment::on_timeout(const Surroundings& around) -> Move<From, Input::timeout> {
  using Moved = Move<From, Input::timeout>;
  Orders orders;
  timeout_at_.reset();
  waited_for_ = missing(around);
  ++failures_;
  orders.failed = FailedAttempt{attempt_->target, failures_, waited_for_};
  const Duration turn = next_turn(around);
  if (failures_ < attempts_of(link_.chain())) {
    // Until then the phase goes on: what is still on its way may complete it.
    retry_at_ = around.now + turn;
    return Moved::template to<From>(std::move(orders));
  }
  forget_attempt();
  repeat_at_.reset();
  orders.used_up = turn;
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

Orders Establishment::start(const Surroundings& around) {
  const bool under_way = phase_ != Phase::se && !retry_at_;
  if (under_way || !around.reachable || !around.may_join || link_.is_spent()) return {};
  return dispatch_start(around);
}

void Establishment::resume(const Surroundings& around) {
  known_se_ = only_me(around);
  plan_rekey(around);
  // Says that this incarnation is there: a group inside an attempt tells it, one that lags behind a switch
  // follows. An NMM is silent: it has many nodes, which will be heard soon.
  if (!around.reachable || is_nmm(around)) return;
  se_left_ = limits::kRepeatedSe;
  repeat_interval_ = kRepeatFirst;
  repeat_at_ = around.now;
}

void Establishment::resume_after_restart(const Surroundings& around) {
  resume(around);
  // Frames of the incarnation before, recorded on their way, would open for who has not had them, and look
  // like an old copy of this node. A new epoch ends that before they stop being merely late. An NMM spreads
  // its many.
  const Policy& policy = around.description.policy;
  const Duration nnrt = milliseconds(policy.nnrt_ms);
  const Duration spread =
      is_nmm(around) ? Duration(std::chrono::seconds(policy.rekey_interval_s)) / 10 : nnrt / 4;
  rekey_at_ = around.now + nnrt / 4 + spread / kJitterSteps * jitter_step(around.random);
}

void Establishment::resume_candidate(const Surroundings& around) {
  candidate_ = link_.stored().back();
  attempt_ = Attempt{};
  attempt_->target = candidate_->target;
  attempt_->initiator = candidate_->initiator;
  attempt_->started = around.now;
  last_target_ = candidate_->target;
  known_sec_ = candidate_->participants;
  known_sef_ = only_me(around);
  timeout_at_ = around.now + attempt_timeout(link_.chain(), around.description.policy);
  phase_ = Phase::sef;
  se_left_ = 0;
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
  if (due(close_at_)) {
    if (phase_ == Phase::sei) return take(on_close(around));
    close_at_.reset();
  }
  if (due(repeat_at_)) return dispatch_repeat(around);
  if (due(rekey_at_)) {
    rekey_at_.reset();  // planned again with the commit, or when a member can be reached
    return start(around);
  }
  return {};
}

std::optional<Instant> Establishment::next_deadline() const {
  Earliest next;
  next.consider(retry_at_);
  next.consider(timeout_at_);
  next.consider(close_at_);
  next.consider(repeat_at_);
  next.consider(rekey_at_);
  if (link_.previous()) next.consider(link_.previous_until());
  return next.at();
}

void Establishment::plan_rekey(const Surroundings& around) {
  rekey_at_.reset();
  const std::uint32_t interval_s = around.description.policy.rekey_interval_s;
  // Per mille of the interval. The lowest index goes first, 0 to 10 % early; the others follow, later with
  // their index, so that one attempt is enough, and the next one starts it where the lowest is away.
  const std::int64_t jitter = jitter_step(around.random);
  const auto place =
      static_cast<std::int64_t>(std::min<std::size_t>(place_of(around.description, around.own_index), 16));
  const std::int64_t per_mille = place == 0 ? 900 + jitter : 1000 + 5 * place + jitter / 10;
  rekey_at_ = around.now + milliseconds(std::int64_t{interval_s} * per_mille);
}

void Establishment::plan_rekey_again(const Surroundings& around) {
  const auto before = rekey_at_;
  if (!before) return;
  plan_rekey(around);
  rekey_at_ = std::min(*before, *rekey_at_);
}

/// A member that the last attempts waited for is there again: no need to sit out the pause.
void Establishment::hurry_retry(const Surroundings& around, std::uint16_t from) {
  if (phase_ != Phase::se || !retry_at_ || std::ranges::find(waited_for_, from) == waited_for_.end()) return;
  const Instant turn = std::max(around.now + turn_of_place(around), around.not_before);
  retry_at_ = std::min(*retry_at_, turn);
}

void Establishment::reset_repeat(Instant now) {
  repeat_interval_ = kRepeatFirst;
  repeat_at_ = now + repeat_interval_;
}

void Establishment::repeat_later(Instant now) {
  repeat_interval_ = std::min<Duration>(repeat_interval_ * 2, kRepeatLast);
  repeat_at_ = now + repeat_interval_;
}

}  // namespace akm::protocol
