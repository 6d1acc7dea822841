#include "daemon/nmm/errands.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::nmm;

namespace {

constexpr Instant kStart{1'000'000'000};
const Errand kRetire{7, 42};
const Errand kQuarantine{7, 0};

}  // namespace

Test(errands, sent_at_once_and_gone_when_answered) {
  Errands errands;
  cr_assert(errands.add(kRetire, kStart));
  cr_assert(errands.next_deadline() == kStart);
  const auto due = errands.take(kStart);
  cr_assert_eq(due.size(), 1U);
  cr_assert(due[0] == kRetire);
  cr_assert(errands.under_way(kRetire));
  cr_assert(errands.take(kStart).empty(), "one that is under way is not sent again");
  cr_assert_not(errands.next_deadline().has_value());
  errands.answered(kRetire);
  cr_assert_eq(errands.size(), 0U);
}

Test(errands, adding_twice_sends_once) {
  Errands errands;
  cr_assert(errands.add(kRetire, kStart));
  cr_assert(errands.add(kRetire, kStart));
  cr_assert_eq(errands.take(kStart).size(), 1U);
}

Test(errands, failures_come_back_later_and_later_with_a_bound) {
  Errands errands;
  cr_assert(errands.add(kQuarantine, kStart));
  Instant now = kStart;
  Duration last{};
  for (int i = 0; i < 20; ++i) {
    cr_assert_eq(errands.take(now).size(), 1U);
    errands.failed(kQuarantine, now);
    const Duration wait = *errands.next_deadline() - now;
    cr_assert(wait >= last);
    cr_assert(wait <= kErrandRetryMost);
    last = wait;
    now = *errands.next_deadline();
  }
  cr_assert(last == kErrandRetryMost);
}

Test(errands, hearing_the_node_ends_the_wait_of_that_node_only) {
  Errands errands;
  const Errand other{8, 42};
  for (const Errand& errand : {kRetire, kQuarantine, other}) cr_assert(errands.add(errand, kStart));
  for (const Errand& errand : errands.take(kStart)) errands.failed(errand, kStart);
  errands.heard(7, kStart);
  const auto due = errands.take(kStart);
  cr_assert_eq(due.size(), 2U);
  cr_assert(due[0].node_id == 7 && due[1].node_id == 7);
}

Test(errands, a_cancelled_one_under_way_still_blocks_until_it_lands) {
  Errands errands;
  cr_assert(errands.add(kRetire, kStart));
  cr_assert_eq(errands.take(kStart).size(), 1U);
  errands.cancel(kRetire);
  cr_assert_not(errands.contains(kRetire));
  cr_assert(errands.under_way(kRetire));
  errands.failed(kRetire, kStart);
  cr_assert_not(errands.under_way(kRetire));
  cr_assert_eq(errands.size(), 0U);
}

Test(errands, a_cancelled_one_that_waits_is_gone) {
  Errands errands;
  cr_assert(errands.add(kRetire, kStart));
  errands.cancel(kRetire);
  cr_assert(errands.take(kStart).empty());
}

Test(errands, answers_to_nothing_change_nothing) {
  Errands errands;
  errands.answered(kRetire);
  errands.failed(kRetire, kStart);
  errands.cancel(kRetire);
  errands.heard(7, kStart);
  cr_assert_eq(errands.size(), 0U);
  cr_assert_not(errands.next_deadline().has_value());
}

Test(errands, there_is_a_limit) {
  Errands errands;
  for (std::size_t i = 0; i < kErrands; ++i) cr_assert(errands.add({i + 1, 1}, kStart));
  cr_assert_not(errands.add({kErrands + 1, 1}, kStart));
  cr_assert(errands.add({1, 1}, kStart), "one that is there already is no new one");
}

Test(errands, how_often_a_node_was_told_and_since_when) {
  Errands errands;
  const Errand retire{7, 1};
  cr_assert_not(errands.told(retire).has_value());
  cr_assert(errands.add(retire, Instant{5}));
  cr_assert_eq(errands.told(retire)->times, 0U);
  (void)errands.take(Instant{6});
  errands.failed(retire, Instant{7});
  (void)errands.take(Instant{7} + kErrandRetryFirst);
  cr_assert_eq(errands.told(retire)->times, 2U);
  cr_assert(errands.told(retire)->since == Instant{5});
  errands.cancel(retire);
  cr_assert_not(errands.told(retire).has_value(), "not wanted any more");
}
