#pragma once
// The core: events in, effects out. No file descriptor, clock, thread or log: time and randomness are
// arguments. One engine holds all relationships of a daemon (a node's few, an NMM's one per node).
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/base/random.h"
#include "daemon/protocol/effect.h"
#include "daemon/protocol/event.h"
#include "daemon/protocol/refusal.h"

namespace akm::protocol {

struct Counters {
  std::uint64_t frames_received = 0;
  std::uint64_t frames_accepted = 0;
  std::uint64_t frames_sent = 0;
  std::uint64_t sessions_committed = 0;
  std::uint64_t attempts_started = 0;
  std::uint64_t attempts_failed = 0;
  std::uint64_t requests_executed = 0;
  std::uint64_t requests_repeated = 0;
  std::uint64_t data_sent = 0;  // a datagram to all counts once
  std::uint64_t data_received = 0;
  std::array<std::uint64_t, kRefusalCount> refused{};
};

enum class Phase : std::uint8_t { se, sei, sec, sef };
std::string_view phase_name(Phase phase);

/// What may be shown of one relationship.
struct MemberView {
  std::uint16_t index = 0;
  std::optional<Instant> last_heard;
  std::uint32_t incarnation = 0;  // 0: not heard yet
  // The newest session that it spoke under as what it has committed (an SEC or SEF says only that it could).
  std::uint32_t generation = 0;  // 0: not heard since the start of this daemon
  std::uint32_t epoch = 0;
  std::optional<Instant> since = {};
  bool awaited = false;  // by the attempt under way; between attempts: the last one waited for it
};
/// What a relationship waits for.
enum class Awaited : std::uint8_t { nothing, members, next_attempt, fallback, failsafe };
/// Datagrams of local programs (section 6a).
struct DataCounts {
  std::uint64_t sent = 0;  // one to all counts once
  std::uint64_t received = 0;
  std::uint64_t refused = 0;  // frames, for whatever reason
};
struct AsrView {
  AsrDescription description;
  std::uint16_t own_index = 0;
  std::uint32_t epoch = 0;      // of the normal chain
  Chain chain = Chain::normal;  // of the attempt that is under way
  Phase phase = Phase::se;
  KeyCheckValue check{};
  std::uint32_t installed_generation = 0;  // waiting for its switch; 0: none
  bool failsafe_spent = false;             // only a new generation brings another failsafe chain
  Instant since;  // the session of `epoch` was committed; after a restart, since that
  Instant phase_since;
  std::uint32_t target = 0;  // of the attempt under way; 0: none
  Awaited awaited{};
  std::optional<Instant> awaited_until;  // what then ends, or begins
  bool nmm_asked = false;                // the chains are used up: for a new generation
  DataCounts data;
  std::vector<MemberView> members;
};

class Engine {
 public:
  struct Options {
    std::uint32_t incarnation = 0;  // rises at every start, never repeats
    std::uint32_t salt = 0;         // random at every start
  };
  explicit Engine(const Options& options);
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  /// One step. Effects are to be carried out in order, by the caller, before the next step.
  [[nodiscard]] EffectList step(Event event, Instant now, RandomSource& random);
  /// The same, for who takes many steps: `effects` is emptied and filled, and keeps its memory.
  void step(Event event, Instant now, RandomSource& random, EffectList& effects);
  /// When DeadlineReached is due; none while there is nothing to wait for.
  [[nodiscard]] std::optional<Instant> next_deadline() const;

  [[nodiscard]] std::vector<AsrId> relationships() const;
  [[nodiscard]] std::optional<AsrView> view(AsrId id) const;
  [[nodiscard]] const Counters& counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace akm::protocol
