#pragma once
// The three chains of a generation as one (section 5): members that do not agree on the normal chain try the
// fallback chain, then the failsafe chain. At most one attempt is under way; a chain above goes before those
// below, and its commit gives them a new start.
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/protocol/establishment.h"

namespace akm::protocol {

class Ladder {
 public:
  explicit Ladder(std::array<Establishment, kChainCount> chains) : chains_(std::move(chains)) {}

  [[nodiscard]] Establishment& chain(Chain which) { return chains_[static_cast<std::size_t>(which)]; }
  [[nodiscard]] const Establishment& chain(Chain which) const {
    return chains_[static_cast<std::size_t>(which)];
  }
  [[nodiscard]] ChainLinks links() const;
  /// The highest epoch of the normal or fallback chain that has been used: a re-root goes above it.
  [[nodiscard]] std::uint32_t high_epoch() const;
  /// The chain of the attempt that is under way; the normal one when there is none.
  [[nodiscard]] Chain active() const;
  /// The chain above whose turn comes, and when; none while nothing waits for it.
  [[nodiscard]] std::optional<std::pair<Chain, Instant>> turn_above() const {
    if (!escalation_) return std::nullopt;
    return std::pair{escalation_->to, escalation_->at};
  }

  // As in Establishment; frames are those of any chain.
  void resume(const Surroundings& around) { chain(Chain::normal).resume(around); }
  void resume_after_restart(const Surroundings& around);
  [[nodiscard]] Orders start(const Surroundings& around);
  [[nodiscard]] Orders hear(const Surroundings& around, const Heard& heard);
  [[nodiscard]] Orders hear_other(const Surroundings& around, std::uint16_t from,
                                  const std::shared_ptr<Session>& session);
  [[nodiscard]] Orders tick(const Surroundings& around);
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  /// With those that a commit on a chain above would give this one.
  [[nodiscard]] std::vector<std::shared_ptr<Session>> sessions(Chain which, std::uint32_t epoch) const;
  [[nodiscard]] bool is_candidate(const std::shared_ptr<Session>& session) const;
  [[nodiscard]] bool has_candidate() const;
  /// The normal session that the newest stored candidate leads to; null without one.
  [[nodiscard]] std::shared_ptr<Session> next_normal() const;

 private:
  /// A candidate whose commit a frame under some session proves.
  struct Proof {
    Chain chain{};
    CandidatePtr candidate;
  };
  struct Escalation {
    Chain to{};
    Instant at;
  };
  [[nodiscard]] std::optional<Proof> rerooted_by(const std::shared_ptr<Session>& session) const;
  [[nodiscard]] bool busy_above(Chain which) const;
  [[nodiscard]] Instant not_before(const Surroundings& around, Chain which) const;
  [[nodiscard]] Chain lowest_open() const;
  [[nodiscard]] bool holds_next(std::uint32_t normal_epoch) const;
  [[nodiscard]] Surroundings seen_from(const Surroundings& around, Chain which) const;
  Orders settle(const Surroundings& around, Chain which, Orders orders);
  void committed(const Surroundings& around, Chain which, Orders& orders);
  Orders heard_reminder(const Surroundings& around, const SessionPayload& payload);
  void drop_passed();
  void remember_left_out(const Surroundings& around, const Candidate& settled);
  void escalate(const Surroundings& around, Chain from, Instant at, Orders& orders);
  void try_lowest_again(const Surroundings& around, Instant at);
  Orders start_above(const Surroundings& around);

  std::array<Establishment, kChainCount> chains_;
  std::optional<Escalation> escalation_;
  std::optional<Instant> last_reroot_;
  std::vector<std::uint16_t> left_out_;  // of the last commit, for this member to remind
  std::optional<Instant> remind_at_;
  std::uint32_t rounds_ = 0;  // times that all chains were used up since the last commit
};

}  // namespace akm::protocol
