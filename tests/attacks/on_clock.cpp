// Row D29: the wall clock.
#include <sys/timex.h>

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

/// By nothing: the clock is what it was, and was set.
int set_by_nothing(const Target&) {
  timex change{};
  change.modes = ADJ_SETOFFSET;
  return outcome(::adjtimex(&change));
}

int read_clock(const Target&) {
  timespec now{};
  return outcome(::clock_gettime(CLOCK_REALTIME, &now));
}

constexpr Attack kTable[] = {
    {"d29-clock", "D29", "clock-jump", Kind::attack, set_clock, Changes::machine},
    {"d29-by-nothing", "D29", "clock-jump", Kind::attack, set_by_nothing},
    {"ok29-clock", "D29", "clock-jump", Kind::benign, read_clock},
};

}  // namespace

std::span<const Attack> on_clock() {
  return kTable;
}

}  // namespace akm::attacks
