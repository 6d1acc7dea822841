#pragma once
// One chain of one generation: its committed credentials, the candidates stored beside them, and the sessions
// that come from them (sections 3 and 5). A copy shares the secrets; what a copy drops is erased with its
// last holder.
#include <cstdint>
#include <memory>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/protocol/bitmap.h"
#include "daemon/protocol/session.h"

namespace akm::protocol {

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
  SecretBuffer prk;  // for the re-root that follows a commit of the fallback or failsafe chain; else empty
};
using CandidatePtr = std::shared_ptr<const Candidate>;

/// What the session of a frame is to its receiver.
enum class Standing : std::uint8_t { committed, previous, candidate };

class ChainLink {
 public:
  /// At install: the step from epoch 0 to epoch 1 (section 3).
  static Result<ChainLink> install(const KeyContext& context, Chain chain, const ChainState& fresh);
  /// From the disk.
  static ChainLink restore(const KeyContext& context, Chain chain, ChainState state,
                           SecretBuffer session_secret);

  [[nodiscard]] Chain chain() const { return chain_; }
  [[nodiscard]] std::uint32_t epoch() const { return base_->epoch; }
  [[nodiscard]] const ChainState& base() const { return *base_; }
  [[nodiscard]] const std::shared_ptr<Session>& session() const { return session_; }
  [[nodiscard]] const std::shared_ptr<Session>& previous() const { return previous_; }
  [[nodiscard]] Instant previous_until() const { return previous_until_; }
  [[nodiscard]] const std::vector<CandidatePtr>& stored() const { return stored_; }
  /// Targets below this one were left behind and are not derived again.
  [[nodiscard]] std::uint32_t lowest_target() const;

  /// One step with a transcript. wrong_state for a target that is not above the committed epoch or was left
  /// behind.
  Result<CandidatePtr> derive(const KeyContext& context, std::uint32_t target, std::uint16_t initiator,
                              std::uint32_t high_epoch, const Digest32& transcript,
                              const Bitmap& participants);
  /// A candidate as it was on the disk.
  Status restore_candidate(const KeyContext& context, Candidate candidate, SecretBuffer session_secret);
  /// Keeps the candidate beside the base; the caller makes it durable before anybody hears of it. The oldest
  /// of more than kStoredCandidates gives way.
  void store(const CandidatePtr& candidate);
  /// The candidate becomes the base, all others are dropped; the old session receives until `previous_until`.
  void commit(const CandidatePtr& candidate, Instant previous_until);
  void drop_previous() { previous_.reset(); }

 private:
  ChainLink(Chain chain, std::shared_ptr<SequenceCounters> counters)
      : chain_(chain), counters_(std::move(counters)) {}

  Chain chain_;
  std::shared_ptr<SequenceCounters> counters_;  // shared by all copies: it is never taken back
  std::shared_ptr<const ChainState> base_;
  std::shared_ptr<Session> session_;
  std::shared_ptr<Session> previous_;
  Instant previous_until_;
  std::vector<CandidatePtr> stored_;  // oldest first
};

}  // namespace akm::protocol
