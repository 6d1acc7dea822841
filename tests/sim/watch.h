#pragma once
// What must hold after every step of every machine, whatever the network, the disks and the clocks do.
#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "daemon/protocol/frame.h"
#include "daemon/protocol/generation.h"
#include "tests/sim/domain.h"
#include "tests/sim/fleet.h"

namespace akm::sim {

enum class Invariant : std::uint8_t {
  agreement,   // who accept each other's frames agree on (generation, chain, epoch, transcript), hence on the
               // key
  eviction,    // who is not in a generation's roster opens and derives nothing of it
  nonce,       // no (key, nonce) twice, no sequence number twice, nothing under epoch 0
  erasure,     // a secret that no state needs any more is nowhere
  follow,      // a commit anywhere means that all of P can follow
  limits,      // memory, queues and frames stay within limits.h
  authentic,   // nothing damaged, forged, repeated or sealed under an erased key is accepted
  once,        // a control request that changes state is executed once
  accusation,  // nobody is called a clone where there is none
  durable,     // what is on the disk can be restored
  keyring,     // the keyring holds the committed key and nothing that was revoked
  honesty,     // a frame that contradicts its candidate is refused
  copies,      // of two live copies of a node one receiver hears one
  data,        // datagrams come at most once, to whom they are for, from members; none is lost by a rekey
  liveness,    // when faults stop, all reachable members end in one epoch within a bounded time
};
inline constexpr std::size_t kInvariants = static_cast<std::size_t>(Invariant::liveness) + 1;
[[nodiscard]] std::string_view invariant_name(Invariant invariant);

struct Violation {
  Invariant invariant{};
  Instant at;
  std::string what;
};

struct Figures {
  std::uint64_t histories = 0;
  std::uint64_t steps = 0;
  std::uint64_t checks = 0;
  std::uint64_t frames = 0;
  std::uint64_t commits = 0;
  std::uint64_t fallbacks = 0;  // of these, on the fallback chain
  std::uint64_t failsafes = 0;  // and on the failsafe chain
  std::uint64_t agreed = 0;     // frames whose sender and receiver are known to have agreed on a transcript
  std::uint64_t datagrams = 0;  // received
  std::uint64_t copies = 0;     // reports of a second copy
  std::uint64_t faults = 0;
  Figures& operator+=(const Figures& more);
};

class Watch final : public Observer {
 public:
  Watch(Fleet& fleet, const Setting& setting)
      : fleet_(fleet), majority_(setting.majority), policy_(policy_of(setting)), machines_(fleet.size()) {}

  void generation_made(std::uint32_t generation, std::set<std::size_t> members, bool at_once);
  void violate(Invariant invariant, const std::string& what);
  bool check(Invariant invariant, bool holds, const std::string& what);
  /// True for a generation that nobody has told of.
  [[nodiscard]] bool is_in(std::uint32_t generation, std::size_t machine) const;
  /// Faults have stopped: what is counted from now on leads to agreement.
  void begin_liveness();
  /// Failed attempts since then, the most of one machine in one relationship, where no chain above this one
  /// was in use meanwhile.
  using Rounds = std::array<std::uint64_t, protocol::kChainCount>;
  [[nodiscard]] Rounds rounds() const;
  /// At the end, when all is quiet: nothing is left that is not needed.
  void finish();

  [[nodiscard]] const std::vector<Violation>& violations() const { return violations_; }
  [[nodiscard]] const Figures& figures() const { return figures_; }

  void started(std::size_t machine) override;
  void ended(std::size_t /*machine*/) override { datagram_.reset(); }
  void arriving(const Packet& packet) override;
  void delivered(const Packet& packet, const Delivery& delivery) override;
  void effect(std::size_t machine, const protocol::Effect& effect, bool done) override;
  void asked(std::size_t machine, protocol::AsrId id) override;
  void stepped(std::size_t machine) override;

 private:
  using EpochName = std::array<std::uint64_t, 3>;  // asr, generation, chain and epoch
  /// What a machine has said of one ASR, in this run of its daemon.
  struct Standing {
    std::uint32_t generation = 0;
    std::uint32_t epoch = 0;
    std::uint32_t epoch_before = 0;
    Instant generation_since;
    Instant epoch_since;
    bool replaced_at_once = false;
    SecretName key = 0;               // that was put into the keyring last
    std::optional<Instant> rerooted;  // by this machine's clock
    bool reroot_under_way = false;    // an attempt on a chain above went on then
  };
  /// What was agreed on with a key.
  struct Terms {
    std::uint32_t generation = 0;
    protocol::Chain chain{};
    std::uint32_t target = 0;
    std::uint16_t initiator = 0;
    std::uint32_t high_epoch = 0;
    protocol::Digest32 transcript{};
    bool operator==(const Terms&) const = default;
  };
  /// Which start of a member is heard.
  struct Speaker {
    std::uint32_t incarnation = 0;
    std::uint32_t salt = 0;
  };
  struct Watched {
    std::map<protocol::AsrId, Standing> standing;
    std::unordered_set<std::uint64_t> accepted;  // tags of frames, in this run of the daemon
    std::map<protocol::AsrId, std::unordered_set<SecretName>> needed;
    std::set<protocol::AsrId> unread;  // records that changed since `needed` was made
    bool unrested = false;             // something was stored; what it replaced must go
    Instant rests_at;
    std::map<std::tuple<protocol::AsrId, std::uint32_t, std::uint16_t>, Speaker> speakers;
    std::map<EpochName, Terms> agreed;                // by normal epoch
    std::map<protocol::AsrId, std::size_t> waiting;   // requests without an outcome
    std::map<protocol::AsrId, std::uint64_t> failed;  // attempts, since faults stopped
    Instant sending_since;                            // of the span in which frames are counted
    std::uint64_t sent = 0;
  };
  struct Roster {
    std::set<std::size_t> members;  // empty: everybody
    bool at_once = false;
  };
  void check_frame(std::size_t machine, std::span<const std::uint8_t> bytes);
  void check_datagram(std::size_t machine, const protocol::SendDatagram& send);
  void check_speaker(const Packet& packet, const protocol::FrameHeader& header);
  void check_terms(const Packet& packet, const protocol::FrameHeader& header);
  void check_reports(std::size_t machine, const protocol::Effect& effect);
  void check_contradiction(std::size_t machine, const protocol::ContradictionSeen& seen);
  void check_spent(std::size_t machine, const protocol::SessionCommitted& committed);
  void check_distance(std::size_t machine, const protocol::SessionCommitted& committed);
  void note_terms(std::size_t machine, protocol::AsrId id);
  void agree_on_terms(std::size_t machine, const protocol::SessionCommitted& committed);
  /// Two copies of a node count as two of a majority: each may find one of its own.
  [[nodiscard]] bool two_majorities(protocol::AsrId id, std::uint32_t generation) const;
  void check_accepted(const Packet& packet, const Delivery& delivery);
  void check_standing(const Packet& packet, const protocol::FrameHeader& header);
  void check_commit(std::size_t machine, const protocol::SessionCommitted& committed);
  static bool leads_to(const protocol::Generation& generation, const protocol::Candidate& candidate,
                       const protocol::SessionCommitted& committed);
  [[nodiscard]] protocol::CandidatePtr stored_candidate(std::size_t machine,
                                                        const protocol::SessionCommitted& committed,
                                                        bool& there) const;
  void check_follow(std::size_t machine, const protocol::SessionCommitted& committed);
  void check_key(std::size_t machine, const protocol::InstallKey& key);
  void check_request(std::size_t machine, const protocol::RequestReceived& request);
  void check_rest(std::size_t machine);
  void check_keyring(std::size_t machine);
  void read_needed(std::size_t machine);
  [[nodiscard]] const Roster* roster(std::uint32_t generation) const;

  Fleet& fleet_;
  bool majority_;  // a commit need not be everybody's
  protocol::Policy policy_;
  std::vector<Watched> machines_;
  std::vector<Violation> violations_;
  Figures figures_;
  std::map<std::uint32_t, Roster> rosters_;  // of the group
  std::unordered_map<std::uint64_t, std::uint64_t> last_number_;
  std::map<EpochName, SecretName> epochs_;                           // committed ones
  std::map<EpochName, protocol::KeyCheckValue> checks_;              // as reported
  std::map<std::uint32_t, std::unordered_set<SecretName>> secrets_;  // of the group, by generation
  std::set<std::array<std::uint64_t, 4>> executed_;
  std::unordered_map<SecretName, Terms> terms_;               // by the normal key that they lead to
  std::map<EpochName, Terms> agreed_;                         // by normal epoch
  std::map<protocol::AsrId, protocol::Chain> highest_chain_;  // that was spoken on since faults stopped
  std::optional<std::uint64_t> datagram_;                     // tag of the one that this step sends
  std::size_t acts_ = 0;  // effects of the step of the packet under way, but for a contradiction
  std::uint32_t arriving_incarnation_ = 0;  // of the packet under way
  bool overdue_ = false;                    // its receiver has a deadline that has passed
  std::uint32_t arriving_epoch_ = 0;        // where its receiver stood before
};

}  // namespace akm::sim
