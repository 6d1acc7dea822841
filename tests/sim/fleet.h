#pragma once
// N engines with their disks, keyrings and clocks on one network, in one process and one thread. Carries
// effects out as daemon/service/shell.cpp does, and fails where the plan says so.
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <vector>

#include "daemon/protocol/engine.h"
#include "tests/sim/clock.h"
#include "tests/sim/live_secrets.h"
#include "tests/sim/observer.h"
#include "tests/sim/wire.h"

namespace akm::sim {

/// Called when the event that it came with is done: refused, not stored, or well.
using After = std::function<void(const Status&)>;

/// A key as the keyring holds it.
struct HeldKey {
  std::uint32_t generation = 0;
  protocol::Chain chain{};
  std::uint32_t epoch = 0;
  SecretName name = 0;
  SecretBuffer secret;
};
struct KeyPlace {
  std::optional<HeldKey> key;
  bool certain = true;  // false after a failure, until the next one that worked
};

class Fleet {
 public:
  struct Machine {
    Machine(Dice own_dice, Clock own_clock) : dice(std::move(own_dice)), clock(own_clock) {}
    std::optional<protocol::Engine> engine;
    std::uint32_t incarnation = 0;
    std::uint32_t salt = 0;
    std::map<protocol::AsrId, SecretBuffer> disk;
    std::map<protocol::AsrId, std::array<KeyPlace, 2>> keyring;  // by KeySlot
    Dice dice;
    Clock clock;
    bool hostile = false;  // was put out, and stays on the network
    bool doubled = false;  // lives twice, or is the second copy
    std::optional<Instant> frozen_until;
    std::uint64_t effects = 0;

   private:
    friend class Fleet;
    struct Posted {
      protocol::Event event;
      After after;
    };
    std::deque<Posted> posted;
    bool stepping = false;
    std::optional<Instant> due;  // as it stands in the queue
  };

  Fleet(std::size_t machines, const Setting& setting, std::uint64_t seed, FaultPoints& faults);

  void observe(Observer& observer) {
    observer.attach(*this);
    observers_.push_back(&observer);
  }

  /// The roles: reports, and starts of a machine after its records are restored.
  std::function<void(std::size_t, protocol::Effect&)> on_report;
  std::function<void(std::size_t)> on_start;

  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] std::size_t size() const { return machines_.size(); }
  [[nodiscard]] Machine& machine(std::size_t i) { return machines_[i]; }
  [[nodiscard]] const Machine& machine(std::size_t i) const { return machines_[i]; }
  [[nodiscard]] Wire& wire() { return wire_; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  /// Far too many steps were taken without time passing; nothing runs any more.
  [[nodiscard]] bool stalled() const;

  /// An event for one machine, after those that wait there. Dropped when it is down.
  void post(std::size_t i, protocol::Event event, After after = {});
  void call_at(Instant at, std::function<void()> call);
  /// Runs what is due until then.
  void run_until(Instant end);

  /// `copy` becomes a second machine with the disk of `original`, at the same address; both start anew.
  void copy(std::size_t original, std::size_t copy, Duration away);
  /// Whose credentials a machine has.
  [[nodiscard]] std::size_t original_of(std::size_t i) const {
    return copied_ && copied_->to == i ? copied_->from : i;
  }
  struct Copied {
    std::size_t from = 0;
    std::size_t to = 0;
  };
  [[nodiscard]] const std::optional<Copied>& copied() const { return copied_; }
  void start(std::size_t i);
  /// kill -9; with `power` the keyring goes and the clock begins anew. Up again after `away`.
  void crash(std::size_t i, bool power, Duration away);
  void freeze(std::size_t i, Duration span);
  void jump(std::size_t i, Duration by);
  /// All that are down or frozen are up and moving.
  void revive();
  /// A packet that no machine sent just now.
  void inject(Packet packet, Duration delay);
  void note(std::size_t i, const std::string& text);

 private:
  enum class Kind : std::uint8_t { packet, deadline, start, call };
  struct Due {
    Instant at;
    std::uint64_t order = 0;
    Kind kind{};
    std::size_t which = 0;  // machine, or place in packets_ or calls_
    bool operator>(const Due& other) const { return at != other.at ? at > other.at : order > other.order; }
  };

  void push(Instant at, Kind kind, std::size_t which) { queue_.push({at, order_++, kind, which}); }
  void run_one(const Due& due);
  void arrive(std::size_t place);
  [[nodiscard]] bool frozen(std::size_t i) const;
  void drain(std::size_t i);
  /// What came of it; none when the machine crashed meanwhile.
  std::optional<Status> step(std::size_t i, protocol::Event event);
  std::optional<Status> carry_out(std::size_t i, protocol::EffectList effects);
  bool carry_out_one(std::size_t i, protocol::Effect& effect);
  bool keep_key(std::size_t i, protocol::AsrId id, protocol::KeySlot slot, std::optional<HeldKey> key);
  void transmit(std::size_t from, const Endpoint& to, std::span<const std::uint8_t> bytes);
  void carry(std::size_t from, std::size_t to, std::span<const std::uint8_t> bytes);
  void schedule(std::size_t i);
  bool fails(std::size_t i, FaultKind kind, std::uint32_t per_million);

  const Setting& setting_;
  std::uint64_t seed_;
  FaultPoints& faults_;
  Wire wire_;
  Instant now_{1'000'000'000'000};
  std::vector<Machine> machines_;
  std::vector<Observer*> observers_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> queue_;
  std::uint64_t order_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t steps_before_now_ = 0;  // when time passed last
  std::vector<Packet> packets_;
  std::vector<std::size_t> free_packets_;
  std::vector<std::function<void()>> calls_;
  std::optional<Copied> copied_;
};

}  // namespace akm::sim
