#include "daemon/protocol/chain_link.h"

#include <algorithm>

namespace akm::protocol {

Result<ChainLink> ChainLink::install(const KeyContext& context, Chain chain, const ChainState& fresh) {
  if (fresh.epoch != 0) return fail(Errc::invalid_argument, "chain is not at epoch 0");
  AKM_ASSIGN(Step step, step_chain(context, chain, fresh, 1, {}));
  return restore(context, chain, std::move(step.next), std::move(step.session_secret));
}

ChainLink ChainLink::restore(const KeyContext& context, Chain chain, ChainState state,
                             SecretBuffer session_secret) {
  ChainLink link(chain, std::make_shared<SequenceCounters>());
  link.base_ = std::make_shared<const ChainState>(std::move(state));
  link.session_ = std::make_shared<Session>(context, chain, std::move(session_secret),
                                            link.counters_->for_epoch(link.base_->epoch));
  return link;
}

ChainLink ChainLink::spent() {
  return {Chain::failsafe, std::make_shared<SequenceCounters>()};
}

const Reroot* Candidate::reroot_of(Chain chain) const {
  const auto found = std::ranges::find(reroots, chain, &Reroot::chain);
  return found != reroots.end() ? &*found : nullptr;
}

std::uint32_t ChainLink::lowest_target() const {
  return std::max(epoch() + 1, counters_->highest());
}

/// What a commit of `candidate` gives the chains below: known before it, so that the first frame of one who
/// has committed opens.
Status ChainLink::add_reroots(const KeyContext& context, Candidate& candidate,
                              const ChainLinks& links) const {
  for (const Chain below : {Chain::normal, Chain::fallback}) {
    if (below >= chain_) break;
    AKM_ASSIGN(const ChainState start, akm::protocol::reroot(context, below, chain_, candidate.target,
                                                             candidate.high_epoch, candidate.prk));
    AKM_ASSIGN(Step step, step_chain(context, below, start, candidate.high_epoch + 1, {}));
    auto counter = links[static_cast<std::size_t>(below)]->counters_->for_epoch(candidate.high_epoch + 1);
    if (!counter) return fail(Errc::wrong_state, "a re-root that leads back");
    candidate.reroots.push_back(
        {below, std::move(step.next),
         std::make_shared<Session>(context, below, std::move(step.session_secret), std::move(counter))});
  }
  return {};
}

Result<CandidatePtr> ChainLink::derive(const KeyContext& context, std::uint32_t target,
                                       std::uint16_t initiator, std::uint32_t high_epoch,
                                       const Digest32& transcript, const Bitmap& participants,
                                       const ChainLinks& links) {
  if (is_spent() || target < lowest_target()) return fail(Errc::wrong_state, "target was left behind");
  AKM_ASSIGN(Step step, step_chain(context, chain_, *base_, target, transcript));
  auto candidate = std::make_shared<Candidate>();
  candidate->target = target;
  candidate->initiator = initiator;
  candidate->high_epoch = high_epoch;
  candidate->transcript = transcript;
  candidate->participants = participants;
  candidate->next = std::move(step.next);
  candidate->session = std::make_shared<Session>(context, chain_, std::move(step.session_secret),
                                                 counters_->for_epoch(target));
  if (chain_ != Chain::normal) candidate->prk = std::move(step.prk);
  AKM_TRY(add_reroots(context, *candidate, links));
  return candidate;
}

Status ChainLink::restore_candidate(const KeyContext& context, Candidate candidate,
                                    SecretBuffer session_secret, const ChainLinks& links) {
  auto counter = counters_->for_epoch(candidate.target);
  if (is_spent() || !counter || candidate.target <= epoch() || candidate.next.epoch != candidate.target ||
      stored_.size() >= limits::kStoredCandidates) {
    return fail(Errc::state_corrupt, "candidate does not follow its base");
  }
  candidate.session =
      std::make_shared<Session>(context, chain_, std::move(session_secret), std::move(counter));
  AKM_TRY(add_reroots(context, candidate, links));
  stored_.push_back(std::make_shared<const Candidate>(std::move(candidate)));
  return {};
}

void ChainLink::store(const CandidatePtr& candidate) {
  if (std::ranges::find(stored_, candidate) != stored_.end()) return;
  if (stored_.size() >= limits::kStoredCandidates) stored_.erase(stored_.begin());
  stored_.push_back(candidate);
}

void ChainLink::drop_passed(const ChainLinks& links) {
  std::erase_if(stored_, [&](const CandidatePtr& candidate) {
    return std::ranges::any_of(candidate->reroots, [&](const Reroot& start) {
      return start.next.epoch <= links[static_cast<std::size_t>(start.chain)]->epoch();
    });
  });
}

void ChainLink::commit(const CandidatePtr& candidate, Instant previous_until) {
  previous_ = std::move(session_);
  previous_until_ = previous_until;
  // Aliases the candidate: base and candidate are one object, so that nothing is copied and nothing is left
  // over. One that re-roots is let go, since what it holds for the chains below must not outlive their next
  // step.
  base_ = candidate->reroots.empty() ? std::shared_ptr<const ChainState>(candidate, &candidate->next)
                                     : std::make_shared<const ChainState>(candidate->next.clone());
  session_ = candidate->session;
  stored_.clear();
}

void ChainLink::spend(const CandidatePtr& candidate, Instant previous_until) {
  previous_ = candidate->session;
  previous_until_ = previous_until;
  base_.reset();
  session_.reset();
  stored_.clear();
}

void ChainLink::reroot(const CandidatePtr& candidate, Instant previous_until) {
  const Reroot* start = candidate->reroot_of(chain_);
  previous_ = std::move(session_);
  previous_until_ = previous_until;
  base_ = std::make_shared<const ChainState>(start->next.clone());
  session_ = start->session;
  stored_.clear();
}

}  // namespace akm::protocol
