#include "daemon/base/wall_time.h"

#include <ctime>

namespace akm {

std::int64_t wall_time_ns() {
  timespec now{};
  if (::clock_gettime(CLOCK_REALTIME, &now) != 0) return 0;
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace akm
