#pragma once
// Seconds for which this NMM's machine has run, over all its boots. The only long time here: a wall clock can
// be set by whoever wants an expired bundle to live again. While the machine is off, nothing expires.
#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "daemon/base/instant.h"
#include "daemon/base/result.h"
#include "daemon/store/sealed_store.h"

namespace akm::nmm {

/// A restart of the machine forgets at most this much.
inline constexpr Duration kClockSaved = std::chrono::hours(1);

class RunningClock {
 public:
  /// Tells one boot of the machine from another.
  using BootId = std::array<std::uint8_t, 16>;

  explicit RunningClock(store::SealedStore& store) : store_(store) {}

  /// Goes on from the stored value: exactly within one boot, from the last saved value after another.
  /// state_corrupt when it was of no use and was set aside: the clock then runs from 0, and what was to
  /// expire lives on.
  Status load(const BootId& boot, Instant now);
  [[nodiscard]] std::uint64_t seconds(Instant now) const;
  /// When this clock showed `seconds`: before 0 for what was before this boot.
  [[nodiscard]] Instant instant_of(std::uint64_t seconds) const {
    return origin_ - std::chrono::seconds(static_cast<std::int64_t>(base_s_ - seconds));
  }
  [[nodiscard]] Instant next_save() const { return saved_ + kClockSaved; }
  Status save(Instant now);

 private:
  store::SealedStore& store_;
  BootId boot_{};
  Instant origin_{};  // when `base_s_` held
  std::uint64_t base_s_ = 0;
  Instant saved_{};
};

}  // namespace akm::nmm
