#pragma once
// The core: events in, effects out. No file descriptor, clock, thread or log: time and randomness are arguments.
// One engine holds all relationships of a daemon (a node's few, an NMM's one per node).
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

namespace akm::protocol {

/// Why a frame was refused, cheapest check first (section 4). Each has its own counter.
enum class Refusal : std::uint8_t {
  too_short,
  too_long,
  bad_version,
  bad_type,
  bad_chain,
  unknown_asr,
  unknown_generation,
  unknown_epoch,
  unknown_sender,
  own_index,
  stale_incarnation,
  cloned_identity,
  replayed,
  not_authentic,
  malformed_payload,
  not_expected,   // authentic, but it has no meaning now (an old attempt, a type not in use)
  over_limit,     // reassemblies, pending requests
};
inline constexpr std::size_t kRefusalCount = static_cast<std::size_t>(Refusal::over_limit) + 1;
std::string_view refusal_name(Refusal refusal);

struct Counters {
  std::uint64_t frames_received = 0;
  std::uint64_t frames_accepted = 0;
  std::uint64_t frames_sent = 0;
  std::uint64_t sessions_committed = 0;
  std::uint64_t attempts_started = 0;
  std::uint64_t attempts_failed = 0;
  std::uint64_t requests_executed = 0;
  std::uint64_t requests_repeated = 0;
  std::array<std::uint64_t, kRefusalCount> refused{};
};

enum class Phase : std::uint8_t { se, sei, sec, sef };
std::string_view phase_name(Phase phase);

/// What may be shown of one relationship.
struct MemberView {
  std::uint16_t index = 0;
  std::optional<Instant> last_heard;
  std::uint32_t incarnation = 0;  // 0: not heard yet
};
struct AsrView {
  AsrDescription description;
  std::uint16_t own_index = 0;
  std::uint32_t epoch = 0;  // of the normal chain
  Phase phase = Phase::se;
  KeyCheckValue check{};
  std::uint32_t installed_generation = 0;  // waiting for its switch; 0: none
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
