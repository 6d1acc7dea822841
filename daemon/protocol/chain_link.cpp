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

std::uint32_t ChainLink::lowest_target() const {
  return std::max(base_->epoch + 1, counters_->highest());
}

Result<CandidatePtr> ChainLink::derive(const KeyContext& context, std::uint32_t target,
                                       std::uint16_t initiator, std::uint32_t high_epoch,
                                       const Digest32& transcript, const Bitmap& participants) {
  if (target < lowest_target()) return fail(Errc::wrong_state, "target was left behind");
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
  return candidate;
}

Status ChainLink::restore_candidate(const KeyContext& context, Candidate candidate,
                                    SecretBuffer session_secret) {
  if (candidate.target <= base_->epoch || candidate.target < counters_->highest() ||
      candidate.next.epoch != candidate.target || stored_.size() >= limits::kStoredCandidates) {
    return fail(Errc::state_corrupt, "candidate does not follow its base");
  }
  candidate.session = std::make_shared<Session>(context, chain_, std::move(session_secret),
                                                counters_->for_epoch(candidate.target));
  stored_.push_back(std::make_shared<const Candidate>(std::move(candidate)));
  return {};
}

void ChainLink::store(const CandidatePtr& candidate) {
  if (std::ranges::find(stored_, candidate) != stored_.end()) return;
  if (stored_.size() >= limits::kStoredCandidates) stored_.erase(stored_.begin());
  stored_.push_back(candidate);
}

void ChainLink::commit(const CandidatePtr& candidate, Instant previous_until) {
  previous_ = std::move(session_);
  previous_until_ = previous_until;
  // Aliases the candidate: base and candidate are one object, so that nothing is copied and nothing is left
  // over.
  base_ = std::shared_ptr<const ChainState>(candidate, &candidate->next);
  session_ = candidate->session;
  stored_.clear();
}

}  // namespace akm::protocol
