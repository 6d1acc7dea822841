#pragma once
// One machine's clock: it starts anywhere, drifts, and may jump forward. It never goes back (CLOCK_BOOTTIME),
// except that a machine that lost its power begins anew.
#include <cstdint>

#include "daemon/base/instant.h"

namespace akm::sim {

class Clock {
 public:
  Clock(Instant now, Instant local, std::int32_t drift_ppm) : from_(now), local_(local), ppm_(drift_ppm) {}

  [[nodiscard]] Instant local(Instant now) const {
    const std::int64_t passed = (now - from_).count();
    return local_ + Duration(passed + passed / 1'000'000 * ppm_ + passed % 1'000'000 * ppm_ / 1'000'000);
  }
  /// The first moment at which this clock shows `local` or later.
  [[nodiscard]] Instant when(Instant local_time) const {
    const std::int64_t wanted = (local_time - local_).count();
    if (wanted <= 0) return from_;
    const std::int64_t million = 1'000'000 + ppm_;
    Instant at =
        from_ + Duration(wanted / million * 1'000'000 + wanted % million * 1'000'000 / million) - Duration(4);
    while (local(at) < local_time) at = at + Duration(1);
    return at;
  }
  void jump(Instant now, Duration by) {
    local_ = local(now) + by;
    from_ = now;
  }

 private:
  Instant from_;
  Instant local_;
  std::int64_t ppm_;
};

}  // namespace akm::sim
