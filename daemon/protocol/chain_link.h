#pragma once
// One chain of one generation: its committed credentials, the candidates stored beside them, and the sessions
// that come from them (sections 3 and 5). A copy shares the secrets; what a copy drops is erased with its
// last holder.
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/protocol/bitmap.h"
#include "daemon/protocol/session.h"

namespace akm::protocol {

/// What a chain below stands on once a candidate of this one is committed (section 3, re-root).
struct Reroot {
  Chain chain{};
  ChainState next;
  std::shared_ptr<Session> session;
};

/// What an attempt derived: the state after the commit, and what it was derived from. Never changed once
/// made.
struct Candidate {
  std::uint32_t target = 0;
  std::uint16_t initiator = 0;
  std::uint32_t high_epoch = 0;  // E
  Digest32 transcript{};
  Bitmap participants;  // P
  ChainState next;
  std::shared_ptr<Session> session;
  SecretBuffer prk;             // of the fallback and failsafe chain, whose commit re-roots; else empty
  std::vector<Reroot> reroots;  // from prk: of the chains below that a commit gives a new start

  [[nodiscard]] const Reroot* reroot_of(Chain chain) const;
};
using CandidatePtr = std::shared_ptr<const Candidate>;

class ChainLink;
/// The chains of a generation by Chain, as a step of one of them sees the others.
using ChainLinks = std::array<const ChainLink*, kChainCount>;

class ChainLink {
 public:
  /// At install: the step from epoch 0 to epoch 1 (section 3).
  static Result<ChainLink> install(const KeyContext& context, Chain chain, const ChainState& fresh);
  /// From the disk.
  static ChainLink restore(const KeyContext& context, Chain chain, ChainState state,
                           SecretBuffer session_secret);
  /// A failsafe chain that was used: it holds nothing.
  static ChainLink spent();

  [[nodiscard]] Chain chain() const { return chain_; }
  [[nodiscard]] bool is_spent() const { return base_ == nullptr; }
  /// 0 when spent.
  [[nodiscard]] std::uint32_t epoch() const { return base_ ? base_->epoch : 0; }
  /// Only while it is not spent.
  [[nodiscard]] const ChainState& base() const { return *base_; }
  /// Null when spent.
  [[nodiscard]] const std::shared_ptr<Session>& session() const { return session_; }
  [[nodiscard]] const std::shared_ptr<Session>& previous() const { return previous_; }
  [[nodiscard]] Instant previous_until() const { return previous_until_; }
  [[nodiscard]] const std::vector<CandidatePtr>& stored() const { return stored_; }
  /// Targets below this one were left behind and are not derived again.
  [[nodiscard]] std::uint32_t lowest_target() const;
  /// The highest epoch that was committed, or for which a candidate was derived in this run.
  [[nodiscard]] std::uint32_t highest_epoch() const { return counters_->highest(); }

  /// One step with a transcript. wrong_state for a target that is not above the committed epoch or was left
  /// behind, or a re-root that would lead back.
  Result<CandidatePtr> derive(const KeyContext& context, std::uint32_t target, std::uint16_t initiator,
                              std::uint32_t high_epoch, const Digest32& transcript,
                              const Bitmap& participants, const ChainLinks& links);
  /// The counters of an epoch that a restored candidate needs; by rising epoch, before any is restored.
  [[nodiscard]] std::shared_ptr<SequenceCounter> reserve(std::uint32_t epoch) const {
    return counters_->for_epoch(epoch);
  }
  /// A candidate as it was on the disk.
  Status restore_candidate(const KeyContext& context, Candidate candidate, SecretBuffer session_secret,
                           const ChainLinks& links);
  /// Keeps the candidate beside the base; the caller makes it durable before anybody hears of it. The oldest
  /// of more than kStoredCandidates gives way.
  void store(const CandidatePtr& candidate);
  /// The candidate becomes the base, all others are dropped; the old session receives until `previous_until`.
  void commit(const CandidatePtr& candidate, Instant previous_until);
  /// A candidate of the failsafe chain is committed: it is used once and erased. Its session still receives
  /// from those who have not committed, until `previous_until`.
  void spend(const CandidatePtr& candidate, Instant previous_until);
  /// A candidate of a chain above was committed, and gives this one a new start.
  void reroot(const CandidatePtr& candidate, Instant previous_until);
  /// Stored candidates that re-root a chain to an epoch which it has reached: they would lead it back.
  void drop_passed(const ChainLinks& links);
  void drop_previous() { previous_.reset(); }

 private:
  ChainLink(Chain chain, std::shared_ptr<SequenceCounters> counters)
      : chain_(chain), counters_(std::move(counters)) {}
  Status add_reroots(const KeyContext& context, Candidate& candidate, const ChainLinks& links) const;

  Chain chain_;
  std::shared_ptr<SequenceCounters> counters_;  // shared by all copies: it is never taken back
  std::shared_ptr<const ChainState> base_;
  std::shared_ptr<Session> session_;
  std::shared_ptr<Session> previous_;
  Instant previous_until_;
  std::vector<CandidatePtr> stored_;  // oldest first
};

}  // namespace akm::protocol
