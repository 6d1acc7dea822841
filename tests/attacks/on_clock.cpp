// Row D29: the wall clock.
#include <ctime>

#include "tests/attacks/attack.h"

namespace akm::attacks {
namespace {

constexpr long kJumpSeconds = 3600;

int set_clock(const Target&) {
  timespec now{};
  (void)::clock_gettime(CLOCK_REALTIME, &now);
  now.tv_sec += kJumpSeconds;
  const int result = outcome(::clock_settime(CLOCK_REALTIME, &now));
  now.tv_sec -= kJumpSeconds;
  (void)::clock_settime(CLOCK_REALTIME, &now);
  return result;
}

int read_clock(const Target&) {
  timespec now{};
  return outcome(::clock_gettime(CLOCK_REALTIME, &now));
}

constexpr Attack kTable[] = {
    {"d29-clock", "D29", "clock-jump", Kind::attack, set_clock, true},
    {"ok29-clock", "D29", "clock-jump", Kind::benign, read_clock},
};

}  // namespace

std::span<const Attack> on_clock() {
  return kTable;
}

}  // namespace akm::attacks
