#include "daemon/nmm/waiters.h"

#include <criterion/criterion.h>

#include <chrono>

using namespace akm;
using namespace akm::nmm;
using std::chrono::seconds;

Test(waiters, each_is_taken_once_by_its_relationship_or_by_its_deadline) {
  Waiters waiters;
  int answered = 0;
  const auto count = [&answered](const Status&) { ++answered; };
  const Instant start{1'000};
  cr_assert(!waiters.next_deadline());
  waiters.add(7, start + seconds(3), count);
  waiters.add(7, start + seconds(1), count);
  waiters.add(8, start + seconds(2), count);
  cr_assert(waiters.next_deadline() == start + seconds(1));
  cr_assert(waiters.take_late(start).empty());
  const auto late = waiters.take_late(start + seconds(1));
  cr_assert_eq(late.size(), 1U);
  cr_assert_eq(late[0].first, 7U);
  for (Done& done : waiters.take(7)) done({});
  cr_assert_eq(answered, 1);
  cr_assert(waiters.take(7).empty());
  cr_assert(waiters.next_deadline() == start + seconds(2));
}
