#include "daemon/protocol/establishment.h"

#include <algorithm>
#include <iterator>

#include "daemon/protocol/transcript.h"

namespace akm::protocol {
namespace {

/// Between two attempts on one chain the higher target wins, at equal target the lower initiator (section 5).
bool outranks(std::uint32_t target, std::uint16_t initiator, std::uint32_t other_target,
              std::uint16_t other) {
  return target > other_target || (target == other_target && initiator < other);
}

Bitmap whole_roster(const AsrDescription& description) {
  Bitmap all = Bitmap::for_roster(description);
  for (const Member& member : description.roster) all.set(member.index);
  return all;
}

}  // namespace

void Orders::append(Orders more) {
  std::ranges::move(more.frames, std::back_inserter(frames));
  durable |= more.durable;
  if (more.committed) chain = std::max(chain, more.chain);
  committed |= more.committed;
  started |= more.started;
  behind |= more.behind;
  chains_exhausted |= more.chains_exhausted;
  if (more.candidate) candidate = std::move(more.candidate);
  if (more.took != Duration{}) took = more.took;
  if (more.failed) failed = std::move(more.failed);
  if (more.settled) settled = std::move(more.settled), settled_from = more.settled_from;
  if (more.tell) tell = more.tell;
  if (more.used_up) used_up = more.used_up;
  if (more.refusal) refusal = more.refusal;
}

// ---------------------------------------------------------------------------------------------------------------
// Inform: an SEI opened under the committed key.

/// What a member may say in an SEI: the rest of a step takes it at its word.
bool Establishment::credible(const Surroundings& around, const Heard& heard) const {
  const SessionPayload& payload = heard.payload;
  return payload.target > link_.epoch() && payload.target - link_.epoch() <= limits::kTargetSkip &&
         (payload.high_epoch <= around.high_epoch ||
          payload.high_epoch - around.high_epoch <= limits::kTargetSkip) &&
         around.peers.find(payload.initiator) != nullptr &&
         (!payload.closing || (payload.initiator == heard.from && may_close(around, payload.bitmap)));
}

/// P is the whole roster, or what the quorum allows. It holds everybody with whom we share a stored
/// candidate: one of them that was left out could commit that, and this attempt's P something else.
bool Establishment::may_close(const Surroundings& around, const Bitmap& participants) const {
  if (!participants.fits(around.description)) return false;
  if (participants == whole_roster(around.description)) return true;
  return around.description.policy.quorum == Quorum::majority &&
         2 * participants.count() > around.description.roster.size() &&
         std::ranges::all_of(link_.stored(), [&](const CandidatePtr& stored) {
           return participants.contains(stored->participants);
         });
}

template <Phase From>
auto Establishment::on_inform(const Surroundings& around, const Heard& heard) -> Move<From, Input::inform> {
  using Moved = Move<From, Input::inform>;
  const SessionPayload& payload = heard.payload;
  Orders orders;
  if (!credible(around, heard)) {
    orders.refusal = Refusal::not_expected;
    return Moved::template to<From>(std::move(orders));
  }
  if (attempt_) {
    const bool same = payload.target == attempt_->target && payload.initiator == attempt_->initiator;
    const bool wins = outranks(payload.target, payload.initiator, attempt_->target, attempt_->initiator);
    const bool other_participants =
        payload.closing && candidate_ && candidate_->participants != payload.bitmap;
    if (same && (From == Phase::sei || (From == Phase::sec && other_participants))) {
      return gather<From>(around, heard, std::move(orders));
    }
    if (same || !wins) {
      // One that is known to have derived is not behind: answering it would be answered again, without end.
      if (!same || !known_sec_.test(heard.from)) answer(around, heard.from, false, orders);
      return Moved::template to<From>(std::move(orders));
    }
  }
  if (!around.may_join) {
    orders.refusal = Refusal::not_expected;
    return Moved::template to<From>(std::move(orders));
  }
  // A member that restarted cannot know how far attempts have come; it follows the higher one that we begin.
  // Nobody comes back to an attempt that it has left: it could derive the same candidate once more, whose
  // frames, recorded, would be new to it; and who holds it on the disk would answer those who still wait for
  // it, and they it.
  const bool left_behind = !attempt_ && payload.target <= link_.highest_epoch();
  const std::uint32_t target = left_behind ? next_target() : payload.target;
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
  const SessionPayload& payload = heard.payload;
  if (payload.closing && !payload.bitmap.test(around.own_index)) {
    leave_out(around);
    return Moved::template to<Phase::se>(std::move(orders));
  }
  const bool derived = payload.closing ? derive(around, payload.value, payload.high_epoch, payload.bitmap)
                                       : add_share(around, heard) && derive_from_shares(around);
  if (!derived && !candidate_) return Moved::template to<Phase::sei>(std::move(orders));
  if (!derived) return Moved::template to<Phase::sec>(std::move(orders));
  if (payload.closing) known_sec_.set(heard.from);
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
  share.value = std::make_shared<const SecretBuffer>(SecretBuffer::copy_of(heard.payload.value));
  share.high_epoch = heard.payload.high_epoch;
  share.incarnation = heard.incarnation;
  share.here = true;
  reset_repeat(around.now);
  return true;
}

/// With all contributions; at the initiator, once NNRT has passed, with those that are here.
bool Establishment::derive_from_shares(const Surroundings& around) {
  const auto& roster = around.description.roster;
  const bool closing = attempt_->initiator == around.own_index && !close_at_;
  if (attempt_->shares_here != roster.size() && !closing) return false;
  Bitmap participants = Bitmap::for_roster(around.description);
  std::vector<Contribution> contributions;
  contributions.reserve(roster.size());
  for (std::size_t place = 0; place < roster.size(); ++place) {
    const Share& share = attempt_->shares[place];
    if (!share.here) continue;
    participants.set(roster[place].index);
    contributions.push_back({roster[place].index, share.value->reveal().first<32>(), share.high_epoch});
  }
  if (!may_close(around, participants)) return false;
  const auto digest = contributions_digest(contributions);
  return digest && derive(around, *digest, highest_epoch(contributions), participants);
}

bool Establishment::derive(const Surroundings& around, const Digest32& digest, std::uint32_t high_epoch,
                           const Bitmap& participants) {
  const Digest32 agreed = transcript(around.context, link_.chain(), attempt_->target, attempt_->initiator,
                                     high_epoch, digest, participants);
  auto candidate = link_.derive(around.context, attempt_->target, attempt_->initiator, high_epoch, agreed,
                                participants, around.links);
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
  if (closes(around)) orders.frames.push_back(closing_frame(everyone(around)));
  orders.frames.push_back(phase_frame(Phase::sec, to));
  reset_repeat(around.now);
}

/// The others agree without us. While they still receive under the old key, the one of them that hears us
/// tells us that they have committed; if they have not, this is the next attempt.
void Establishment::leave_out(const Surroundings& around) {
  forget_attempt();
  repeat_at_.reset();
  const Duration grace = std::chrono::milliseconds(around.description.policy.grace_ms);
  retry_at_ = std::max(around.now + grace / 2, around.not_before);
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
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): `candidate` may be a member, reset below
  const CandidatePtr kept = candidate;
  if (attempt_ && candidate_ == kept) orders.took = around.now - attempt_->started;
  last_ = {kept->initiator, kept->high_epoch, kept->transcript, kept->participants};
  forget_attempt();
  forget_failures();
  const Instant until = around.now + std::chrono::milliseconds(around.description.policy.grace_ms);
  if (link_.chain() == Chain::failsafe) {
    link_.spend(kept, until);
  } else {
    link_.commit(kept, until);
  }
  orders.durable = true;
  orders.committed = true;
  orders.chain = link_.chain();
  orders.settled = kept;
  orders.settled_from = heard_from;
  if (link_.chain() == Chain::normal) return announce(around, heard_from, orders);
  repeat_at_.reset();
}

/// The chain stands on a new key: SE is said until all of P are known to have committed, some times at the
/// most.
void Establishment::announce(const Surroundings& around, std::optional<std::uint16_t> heard_from,
                             Orders& orders) {
  known_se_ = only_me(around);
  if (heard_from) known_se_.set(*heard_from);
  orders.frames.push_back(established_frame(around, recipients(around)));
  se_left_ = limits::kRepeatedSe - 1;
  reset_repeat(around.now);
  plan_rekey(around);
}

Orders Establishment::reroot(const Surroundings& around, const CandidatePtr& candidate,
                             std::optional<std::uint16_t> heard_from) {
  supersede();
  forget_failures();
  link_.reroot(candidate, around.now + std::chrono::milliseconds(around.description.policy.grace_ms));
  last_ = {candidate->initiator, candidate->high_epoch, candidate->transcript, candidate->participants};
  Orders orders;
  if (link_.chain() == Chain::normal) announce(around, heard_from, orders);
  return orders;
}

void Establishment::forget_failures() {
  failures_ = 0;
  last_target_ = 0;
  waited_for_.clear();
  retry_at_.reset();
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
// The ways in.

Orders Establishment::hear(const Surroundings& around, const Heard& heard) {
  hurry_retry(around, heard.from);
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
  // On the chains above the re-root comes first; the SEI is repeated.
  if (event == SessionEvent::sei && link_.chain() == Chain::normal) {
    orders.append(dispatch_inform(around, heard));
  }
  return orders;
}

Orders Establishment::follow(const Surroundings& around, std::uint16_t from, const CandidatePtr& candidate) {
  return dispatch_established(around, from, candidate);
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
        orders.tell = heard.from;
      } else {
        orders.refusal = Refusal::malformed_payload;
      }
      return orders;
    case SessionEvent::se:
      // One that is ahead answers us under the key that it has left.
      if (heard.payload.target > link_.epoch()) orders.behind = true;
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
  const SessionEvent event = heard.payload.event;
  if (link_.is_spent()) {  // the only key of it that is left, for those who have not committed yet
    orders.tell = heard.from;
    return orders;
  }
  // Late, or behind: one that is behind learns the committed epoch under the key that it still has.
  const bool names_ours = event == SessionEvent::se && heard.payload.target >= link_.epoch();
  if (names_ours || known_se_.test(heard.from)) return orders;
  // It stored the candidate that we committed, and may since have left its attempt for a higher one, which
  // cannot end without us: an SE under our key commits it there. In star nobody else would tell it when the
  // initiator could not commit. First, so that who can follow does so before it learns that it is behind.
  orders.tell = heard.from;
  SessionPayload payload;
  payload.target = link_.epoch();
  payload.high_epoch = around.high_epoch;
  orders.frames.push_back({{heard.from}, link_.previous(), std::move(payload)});
  return orders;
}

void Establishment::forget_attempt() {
  attempt_.reset();
  candidate_.reset();
  digest_ = {};
  known_sec_ = {};
  known_sef_ = {};
  timeout_at_.reset();
  close_at_.reset();
  retry_at_.reset();
}

}  // namespace akm::protocol
