#include "daemon/nmm/running_clock.h"

#include <criterion/criterion.h>

#include <chrono>

#include "tests/unit/nmm/memory_store.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

constexpr RunningClock::BootId kBoot{1};
constexpr RunningClock::BootId kOtherBoot{2};
const Instant kStart = Instant{} + seconds(1000);

}  // namespace

Test(running_clock, starts_at_zero_and_runs) {
  MemoryStore store;
  RunningClock clock(store);
  cr_assert(clock.load(kBoot, kStart));
  cr_assert_eq(clock.seconds(kStart), 0U);
  cr_assert_eq(clock.seconds(kStart + seconds(90)), 90U);
}

Test(running_clock, goes_on_exactly_within_one_boot) {
  MemoryStore store;
  RunningClock clock(store);
  cr_assert(clock.load(kBoot, kStart));
  RunningClock again(store);
  cr_assert(again.load(kBoot, kStart + hours(30)));
  cr_assert_eq(again.seconds(kStart + hours(30) + seconds(5)), 30U * 3600 + 5);
}

Test(running_clock, another_boot_goes_on_from_what_was_saved) {
  MemoryStore store;
  RunningClock clock(store);
  cr_assert(clock.load(kBoot, kStart));
  cr_assert(clock.next_save() == kStart + kClockSaved);
  cr_assert(clock.save(kStart + hours(2)));
  RunningClock again(store);
  const Instant early{5};  // boottime begins anew
  cr_assert(again.load(kOtherBoot, early));
  cr_assert_eq(again.seconds(early + seconds(1)), 2U * 3600 + 1);
}

Test(running_clock, never_goes_back) {
  MemoryStore store;
  RunningClock clock(store);
  cr_assert(clock.load(kBoot, kStart + hours(1)));
  cr_assert(clock.save(kStart + hours(2)));
  RunningClock again(store);
  cr_assert(again.load(kBoot, kStart));  // earlier than what was saved: not possible, and no harm
  cr_assert_eq(again.seconds(kStart), 3600U);
}

Test(running_clock, damaged_record_is_an_error_and_it_runs_from_zero) {
  MemoryStore store;
  store.records["nmm-clock"] = {1, 2};
  RunningClock clock(store);
  cr_assert(clock.load(kBoot, kStart).error().code == Errc::state_corrupt);
  cr_assert_eq(clock.seconds(kStart + seconds(7)), 7U);
  RunningClock next(store);
  cr_assert(next.load(kBoot, kStart + seconds(8)).has_value());
  cr_assert_eq(next.seconds(kStart + seconds(8)), 8U);
}

Test(running_clock, a_time_of_its_own_has_an_instant_also_before_this_boot) {
  MemoryStore store;
  RunningClock clock(store);
  const Instant start{100'000'000'000};
  cr_assert(clock.load(RunningClock::BootId{1}, start));
  const std::uint64_t then = clock.seconds(start + std::chrono::seconds(50));
  cr_assert(clock.instant_of(then) == start + std::chrono::seconds(50));
  cr_assert(clock.save(start + std::chrono::seconds(50)));
  RunningClock later(store);
  cr_assert(later.load(RunningClock::BootId{2}, Instant{5'000'000'000}));
  cr_assert(later.instant_of(then) == Instant{5'000'000'000});
  cr_assert(later.instant_of(then - 20) == Instant{-15'000'000'000});
}
