#include "daemon/watch/wall_clock.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

namespace akm::watch {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

/// Never due; the kernel cancels it, and so makes it readable, when the clock is set or the system resumes.
bool arm(int timer) {
  itimerspec never{};
  never.it_value.tv_sec = std::int64_t{1} << 33;
  return ::timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr) == 0;
}

}  // namespace

WallClock::WallClock(Duration jump, std::function<std::int64_t()> offset_ns)
    : jump_(jump),
      offset_ns_(std::move(offset_ns)),
      timer_(::timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC)) {
  if (timer_ && !arm(timer_.get())) timer_.reset();
}

bool WallClock::nudged() {
  std::uint64_t expirations = 0;
  (void)!::read(timer_.get(), &expirations, sizeof expirations);  // ECANCELED: that is the message
  (void)arm(timer_.get());
  return true;
}

void WallClock::look(Instant now, const Tell& tell) {
  const std::int64_t offset = offset_ns_();
  const std::int64_t moved = last_offset_ns_ ? offset - *last_offset_ns_ : 0;
  const std::int64_t slewed = (now - last_).count() / 1000;  // twice the 500 ppm of adjtimex(2)
  last_offset_ns_ = offset;
  last_ = now;
  if (std::abs(moved) < std::max<std::int64_t>(jump_.count(), slewed)) return;
  policy::Detection detection;
  detection.detection = policy::DetectionClass::clock_jump;
  detection.boottime_ns = now.ns;
  detection.evidence = {{"what", "wall clock"}, {"moved_ms", std::to_string(moved / kMillisecond)}};
  tell(detection);
}

}  // namespace akm::watch
