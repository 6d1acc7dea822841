#pragma once
// Session establishment on one chain of one generation (section 5): what is heard, asked for and due goes in;
// frames to send, what to store and what to report come out. Knows neither frames' bytes nor effects of the
// engine.
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/base/random.h"
#include "daemon/protocol/chain_link.h"
#include "daemon/protocol/peer_table.h"
#include "daemon/protocol/session_payload.h"
#include "daemon/protocol/transition_table.h"

namespace akm::protocol {

/// What a handler may look at besides its own state.
struct Surroundings {
  const AsrDescription& description;
  const KeyContext& context;
  const PeerTable& peers;
  ChainLinks links;
  std::uint16_t own_index;
  std::uint32_t high_epoch;  // highest epoch that the normal or fallback chain has used in this generation
  bool reachable;            // some other member has an endpoint
  bool may_join;             // no attempt on a chain above, and no re-root too soon after the last
  Instant not_before;        // of the next attempt on this chain: the distance of re-roots
  Instant now;
  RandomSource& random;
};

/// One session frame that opened.
struct Heard {
  std::uint16_t from = 0;
  std::uint32_t incarnation = 0;
  std::shared_ptr<Session> session;
  SessionPayload payload;
};

/// One payload for several members; each gets a frame of its own, with its own sequence number.
struct Outgoing {
  std::vector<std::uint16_t> to;
  std::shared_ptr<Session> under;
  SessionPayload payload;
};

struct FailedAttempt {
  std::uint32_t target = 0;
  std::uint32_t failures = 0;
  std::vector<std::uint16_t> waited_for;
};

/// What a step asks for. Durability comes first: when `durable` is set, the state after the step is stored
/// before anything else of it leaves the machine.
struct Orders {
  std::vector<Outgoing> frames;
  bool durable = false;
  CandidatePtr candidate;  // was stored in this step: its key may be shown to consumers as the next one
  bool committed = false;  // link() stands on a new epoch
  Duration took{};         // from the first SEI to the commit
  bool started = false;    // an attempt was started or joined
  std::optional<FailedAttempt> failed;
  Chain chain = Chain::normal;  // that was committed
  // For the ladder of chains:
  CandidatePtr settled;                       // that was committed
  std::optional<std::uint16_t> settled_from;  // who is known to have committed it
  std::optional<std::uint16_t> tell;          // this member is to hear an SE under the normal key
  std::optional<Duration>
      used_up;          // the attempts of this chain are used up: the next chain's turn in this time
  bool behind = false;  // the others have left the key that we hold
  bool chains_exhausted = false;   // only a new generation helps, or brings back the failsafe chain
  std::optional<Refusal> refusal;  // the frame was authentic, but

  /// A frame can do two things: tell of a commit, and begin what follows it.
  void append(Orders more);
};

/// For people: whom and what a chain waits for.
struct Waiting {
  std::uint32_t target = 0;    // of the attempt under way; 0: none
  std::uint32_t failures = 0;  // attempts in a row that came to nothing
  /// Not in this phase yet; between attempts: whom the last one waited for.
  std::vector<std::uint16_t> members;
  std::optional<Instant> until;  // the end of the attempt; between attempts: the next one
};

class Establishment {
 public:
  explicit Establishment(ChainLink link) : link_(std::move(link)) {}

  /// The generation became the current one: says hello.
  void resume(const Surroundings& around);
  /// The daemon started: says hello; a rekey follows soon.
  void resume_after_restart(const Surroundings& around);
  /// After a crash between candidate and commit: both are held, and SEF is repeated.
  void resume_candidate(const Surroundings& around);
  /// A rekey was asked for: starts an attempt unless one is under way.
  [[nodiscard]] Orders start(const Surroundings& around);
  /// A session frame opened under one of this chain's sessions.
  [[nodiscard]] Orders hear(const Surroundings& around, const Heard& heard);
  /// Something that is only sent after a commit (control, data) opened under `session`.
  [[nodiscard]] Orders hear_other(const Surroundings& around, std::uint16_t from,
                                  const std::shared_ptr<Session>& session);
  /// Somebody has committed a candidate of this chain: a frame opened under a key that its commit gave a
  /// chain below.
  [[nodiscard]] Orders follow(const Surroundings& around, std::uint16_t from, const CandidatePtr& candidate);
  /// An attempt on a chain above began: this one's ends. Stored candidates stay acceptable.
  void supersede();
  /// A chain above has committed `candidate`: this one stands on its new start. The normal chain tells the
  /// others.
  [[nodiscard]] Orders reroot(const Surroundings& around, const CandidatePtr& candidate,
                              std::optional<std::uint16_t> heard_from);
  /// What a member needs that does not know of our attempt, or has not reached its phase.
  [[nodiscard]] Orders answer_behind(const Surroundings& around, std::uint16_t from);
  /// An SE under the committed key.
  [[nodiscard]] Orders tell(const Surroundings& around, std::uint16_t to) const;
  /// An SE outside an attempt, for members that were left out: they may still hold this chain's key.
  [[nodiscard]] Orders remind(std::vector<std::uint16_t> to, std::uint32_t normal_epoch) const;
  /// The next attempt, unless a commit comes first.
  void retry(Instant at) { retry_at_ = at; }
  /// The members agreed on another chain: what failed on this one counts no more.
  void forget_failures();
  /// Everything that is due.
  [[nodiscard]] Orders tick(const Surroundings& around);
  [[nodiscard]] std::optional<Instant> next_deadline() const;

  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] Waiting waiting(const AsrDescription& description, std::uint16_t own_index) const;
  [[nodiscard]] const ChainLink& link() const { return link_; }
  [[nodiscard]] ChainLink& link() { return link_; }
  /// Sessions under which a frame of this epoch may have been sealed: committed, previous, candidate, stored
  /// ones.
  [[nodiscard]] std::vector<std::shared_ptr<Session>> sessions(std::uint32_t epoch) const;
  /// The candidates that are held, the current one last.
  [[nodiscard]] std::vector<CandidatePtr> candidates() const;
  /// A frame under `session` may lead to something durable; under all others it never does.
  [[nodiscard]] bool is_candidate(const std::shared_ptr<Session>& session) const {
    return candidate_of(session) != nullptr;
  }
  /// A candidate is derived or stored: its key may be in the keyring.
  [[nodiscard]] bool has_candidate() const { return candidate_ != nullptr || !link_.stored().empty(); }
  /// Plans the next timed rekey, with its jitter (section 8).
  void plan_rekey(const Surroundings& around);
  /// By another policy: what is planned becomes due no later than it was.
  void plan_rekey_again(const Surroundings& around);
  [[nodiscard]] bool rekey_planned() const { return rekey_at_.has_value(); }
  /// A rekey is due now (frames under one key, section 4).
  void rekey_now(Instant now) { rekey_at_ = now; }

 private:
  template <Phase From, Input On>
  using Move = Transition<From, On, Orders>;

  /// A member's contribution.
  struct Share {
    std::shared_ptr<const SecretBuffer> value;  // 32 bytes; shared with the state to go back to
    std::uint32_t high_epoch = 0;
    std::uint32_t incarnation = 0;
    bool here = false;
  };
  struct Attempt {
    std::uint32_t target = 0;
    std::uint16_t initiator = 0;
    Instant started;
    Share own;                  // not here after a restart in SEF
    std::vector<Share> shares;  // in SEI, by place in the roster
    std::size_t shares_here = 0;
    std::map<std::uint16_t, Instant> answered;  // members without the candidate
  };
  /// What the last commit was of, to tell it to those behind.
  struct LastCommit {
    std::uint16_t initiator = kNoInitiator;
    std::uint32_t high_epoch = 0;
    Digest32 transcript{};
    Bitmap participants;  // nobody else can open our SE; empty: the whole roster
  };

  // Handlers: one for each cell of the table that is not empty, grouped by input.
  Orders dispatch_inform(const Surroundings& around, const Heard& heard);
  template <Phase From>
  Move<From, Input::inform> on_inform(const Surroundings& around, const Heard& heard);
  template <Phase From>
  Move<From, Input::inform> gather(const Surroundings& around, const Heard& heard, Orders orders);
  Orders dispatch_progress(const Surroundings& around, const Heard& heard);
  Move<Phase::sec, Input::confirm> on_confirm_in_sec(const Surroundings& around, const Heard& heard);
  Move<Phase::sef, Input::confirm> on_confirm_in_sef(const Surroundings& around, const Heard& heard);
  Move<Phase::sec, Input::final> on_final_in_sec(const Surroundings& around, const Heard& heard);
  Move<Phase::sef, Input::final> on_final_in_sef(const Surroundings& around, const Heard& heard);
  template <Phase From>
  Move<From, Input::established> on_established(const Surroundings& around, std::uint16_t from,
                                                const CandidatePtr& candidate);
  Orders dispatch_established(const Surroundings& around, std::uint16_t from, const CandidatePtr& candidate);
  template <Phase From>
  Move<From, Input::start> on_start(const Surroundings& around);
  Orders dispatch_start(const Surroundings& around);
  template <Phase From>
  Move<From, Input::timeout> on_timeout(const Surroundings& around);
  Orders dispatch_timeout(const Surroundings& around);
  Move<Phase::sei, Input::close> on_close(const Surroundings& around);
  template <Phase From>
  Move<From, Input::superseded> on_superseded();
  Move<Phase::se, Input::repeat> on_repeat_in_se(const Surroundings& around);
  Move<Phase::sei, Input::repeat> on_repeat_in_sei(const Surroundings& around);
  Move<Phase::sec, Input::repeat> on_repeat_in_sec(const Surroundings& around);
  Move<Phase::sef, Input::repeat> on_repeat_in_sef(const Surroundings& around);
  Orders dispatch_repeat(const Surroundings& around);
  template <Phase From, Input On>
  Orders take(Move<From, On> move) {
    phase_ = move.next();
    return std::move(move).take_effects();
  }

  // What handlers are made of; none of these changes the phase.
  Orders hear_committed(const Surroundings& around, const Heard& heard);
  Orders hear_previous(const Surroundings& around, const Heard& heard);
  [[nodiscard]] bool acceptable(const Surroundings& around, const Heard& heard) const;
  [[nodiscard]] std::uint32_t next_target() const;
  bool begin(const Surroundings& around, std::uint32_t target, std::uint16_t initiator);
  bool add_share(const Surroundings& around, const Heard& heard);
  bool derive(const Surroundings& around, const Digest32& digest, std::uint32_t high_epoch,
              const Bitmap& participants);
  bool derive_from_shares(const Surroundings& around);
  [[nodiscard]] bool may_close(const Surroundings& around, const Bitmap& participants) const;
  [[nodiscard]] bool credible(const Surroundings& around, const Heard& heard) const;
  [[nodiscard]] bool closes(const Surroundings& around) const;
  void leave_out(const Surroundings& around);
  void announce(const Surroundings& around, std::optional<std::uint16_t> heard_from, Orders& orders);
  void send_confirm(const Surroundings& around, Orders& orders);
  void send_final(const Surroundings& around, Orders& orders);
  void commit(const Surroundings& around, const CandidatePtr& candidate,
              std::optional<std::uint16_t> heard_from, Orders& orders);
  bool merge(const Heard& heard, Bitmap& known, Instant now);
  void hurry_retry(const Surroundings& around, std::uint16_t from);
  void reset_repeat(Instant now);
  void repeat_later(Instant now);
  void forget_attempt();
  [[nodiscard]] Bitmap only_me(const Surroundings& around) const;
  static std::size_t place_of(const AsrDescription& description, std::uint16_t index);
  [[nodiscard]] CandidatePtr candidate_of(const std::shared_ptr<Session>& session) const;
  [[nodiscard]] bool lowest_heard(const Surroundings& around) const;
  static Duration turn_of_place(const Surroundings& around);
  [[nodiscard]] Duration next_turn(const Surroundings& around) const;
  [[nodiscard]] std::vector<std::uint16_t> missing(const AsrDescription& description,
                                                   std::uint16_t own_index) const;
  [[nodiscard]] std::vector<std::uint16_t> missing(const Surroundings& around) const {
    return missing(around.description, around.own_index);
  }

  // Own frames (establishment_frames.cpp).
  [[nodiscard]] bool star(const Surroundings& around) const;
  [[nodiscard]] std::vector<std::uint16_t> everyone(const Surroundings& around) const;
  [[nodiscard]] std::vector<std::uint16_t> recipients(const Surroundings& around) const;
  [[nodiscard]] std::vector<std::uint16_t> but(std::vector<std::uint16_t> list, const Bitmap& known) const;
  [[nodiscard]] Outgoing inform_frame(std::vector<std::uint16_t> to) const;
  [[nodiscard]] Outgoing closing_frame(std::vector<std::uint16_t> to) const;
  [[nodiscard]] Outgoing phase_frame(Phase phase, std::vector<std::uint16_t> to) const;
  [[nodiscard]] Outgoing established_frame(const Surroundings& around, std::vector<std::uint16_t> to) const;
  void answer(const Surroundings& around, std::uint16_t to, bool holds_candidate, Orders& orders);

  ChainLink link_;
  Phase phase_ = Phase::se;
  std::optional<Attempt> attempt_;
  CandidatePtr candidate_;
  Digest32 digest_{};  // D of the candidate, for the closing SEI
  Bitmap known_sec_;
  Bitmap known_sef_;
  Bitmap known_se_;
  LastCommit last_;
  std::uint32_t last_target_ = 0;  // of the attempts since the last commit
  std::uint32_t failures_ = 0;     // in a row
  std::vector<std::uint16_t> waited_for_;
  std::size_t se_left_ = 0;
  Duration repeat_interval_{};
  std::optional<Instant> repeat_at_;   // the current frame again
  std::optional<Instant> timeout_at_;  // NSET
  std::optional<Instant> close_at_;    // NNRT after the first SEI
  std::optional<Instant> retry_at_;    // the next attempt
  std::optional<Instant> rekey_at_;    // the policy's interval
};

}  // namespace akm::protocol
