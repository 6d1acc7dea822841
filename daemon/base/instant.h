#pragma once
// Time as the core sees it: a point on a clock that never goes back. Wall-clock time does not exist here.
#include <chrono>
#include <compare>
#include <cstdint>

namespace akm {

using Duration = std::chrono::nanoseconds;

/// Nanoseconds since boot (CLOCK_BOOTTIME: it goes on during suspend, so that key lifetimes do).
struct Instant {
  std::int64_t ns = 0;

  auto operator<=>(const Instant&) const = default;
  Instant operator+(Duration d) const { return Instant{ns + d.count()}; }
  Instant operator-(Duration d) const { return Instant{ns - d.count()}; }
  Duration operator-(Instant other) const { return Duration{ns - other.ns}; }
};

/// The present instant. Only the composition layers call it; the core takes it as an argument.
Instant boottime_now();

}  // namespace akm
