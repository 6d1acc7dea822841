#pragma once
// The points at which a history can go wrong, and whether it does. Each point has a name of its own, so that
// a recorded history can be run again with some of its faults left out.
#include <compare>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "tests/sim/dice.h"

namespace akm::sim {

enum class FaultKind : std::uint8_t { loss, duplicate, damage, late, crash, store, key_store };

/// Packets: from, to and their number on that way. Effects: the machine, 0, and the effect's number.
struct FaultPoint {
  FaultKind kind{};
  std::uint16_t a = 0;
  std::uint16_t b = 0;
  std::uint64_t nth = 0;
  auto operator<=>(const FaultPoint&) const = default;
};

class FaultPoints {
 public:
  /// Without `only` chance decides; with it exactly those points fire.
  FaultPoints(std::uint64_t seed, std::optional<std::set<FaultPoint>> only)
      : seed_(seed), only_(std::move(only)) {}

  void stop(bool stopped) { stopped_ = stopped; }

  bool fires(const FaultPoint& point, std::uint32_t per_million) {
    if (stopped_ || per_million == 0) return false;
    const bool fired = only_ ? only_->contains(point) : detail(point) % 1'000'000 < per_million;
    if (fired) fired_.push_back(point);
    return fired;
  }
  /// What the fault is exactly: which bit, how late. The same for the same point.
  [[nodiscard]] std::uint64_t detail(const FaultPoint& point) const {
    return number_of(seed_, static_cast<std::uint64_t>(point.kind), point.a, point.b, point.nth);
  }
  [[nodiscard]] const std::vector<FaultPoint>& fired() const { return fired_; }

 private:
  std::uint64_t seed_;
  std::optional<std::set<FaultPoint>> only_;
  std::vector<FaultPoint> fired_;
  bool stopped_ = false;
};

}  // namespace akm::sim
