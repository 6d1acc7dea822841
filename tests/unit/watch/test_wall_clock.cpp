#include "daemon/watch/wall_clock.h"

#include <criterion/criterion.h>

#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Heard;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

}  // namespace

Test(wall_clock, a_jump_is_told_each_time) {
  std::int64_t offset = 990 * kSecond;
  WallClock watch(std::chrono::seconds(1), [&offset] { return offset; });
  Heard heard;
  cr_assert_eq(heard.look(watch, 10), 0);
  cr_assert_eq(heard.look(watch, 70), 0, "it goes on");
  offset = 429 * kSecond;
  cr_assert_eq(heard.look(watch, 71), 1);
  cr_assert_eq(heard.last_class(), policy::DetectionClass::clock_jump);
  cr_assert_eq(heard.last_grade(), policy::Grade::observe);
  cr_assert_eq(heard.last("moved_ms"), "-561000");
  cr_assert_eq(heard.look(watch, 72), 0);
}

Test(wall_clock, what_ntp_does_slowly_is_not) {
  std::int64_t offset = 0;
  WallClock watch(std::chrono::seconds(1), [&offset] { return offset; });
  Heard heard;
  for (std::int64_t at = 0; at < 100; ++at) {
    offset = at * 30'000'000;
    cr_assert_eq(heard.look(watch, at * 60), 0);
  }
  offset += 1'800'000'000;  // 500 ppm of an hour
  cr_assert_eq(heard.look(watch, 99 * 60 + 3600), 0);
  offset += 1'800'000'000;
  cr_assert_eq(heard.look(watch, 99 * 60 + 3660), 1, "in a minute it is a jump");
}

Test(wall_clock, its_timer_is_not_due) {
  WallClock watch(std::chrono::seconds(1), [] { return std::int64_t{0}; });
  pollfd ready{watch.fd(), watch.events(), 0};
  cr_assert_geq(watch.fd(), 0);
  cr_assert_eq(::poll(&ready, 1, 0), 0);
}
