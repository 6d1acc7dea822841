#include "daemon/base/instant.h"

#include <ctime>

namespace akm {

Instant boottime_now() {
  timespec ts{};
  // Cannot fail for this clock on Linux 2.6.39 and later.
  (void)clock_gettime(CLOCK_BOOTTIME, &ts);
  return Instant{static_cast<std::int64_t>(ts.tv_sec) * 1'000'000'000 + ts.tv_nsec};
}

}  // namespace akm
