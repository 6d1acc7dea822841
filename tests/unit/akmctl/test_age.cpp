#include "tools/akmctl/age.h"

#include <criterion/criterion.h>

#include <cstdint>

using namespace akm::ctl;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kNow = 1'000'000 * kSecond;

}  // namespace

Test(age, the_largest_unit_of_which_there_are_two) {
  cr_assert_eq(age(kNow, kNow), "0 s");
  cr_assert_eq(age(kNow - 12 * kSecond - 1, kNow), "12 s");
  cr_assert_eq(age(kNow - 119 * kSecond, kNow), "119 s");
  cr_assert_eq(age(kNow - 120 * kSecond, kNow), "2 min");
  cr_assert_eq(age(kNow - 7199 * kSecond, kNow), "119 min");
  cr_assert_eq(age(kNow - 7200 * kSecond, kNow), "2 h");
  cr_assert_eq(age(kNow - 50 * 3600 * kSecond, kNow), "2 d");
  cr_assert_eq(age(-5 * kSecond, 5 * kSecond), "10 s", "before this boot");
}

Test(age, what_is_not_known_or_cannot_be_is_nothing) {
  cr_assert_eq(age(0, kNow), "");
  cr_assert_eq(age(kNow + 1, kNow), "");
  cr_assert_eq(age(INT64_MIN, INT64_MAX), "");
}

Test(age, what_is_still_to_come) {
  cr_assert_eq(time_left(0, kNow), "");
  cr_assert_eq(time_left(kNow + 6 * kSecond, kNow), "6 s");
  cr_assert_eq(time_left(kNow - 6 * kSecond, kNow), "0 s", "it is about to be");
  cr_assert_eq(time_left(INT64_MAX, INT64_MIN), "");
}
