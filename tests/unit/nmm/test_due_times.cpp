#include "daemon/nmm/due_times.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::nmm;

Test(due_times, earliest_first_and_only_what_is_due) {
  DueTimes<int> times;
  times.set(1, Instant{30});
  times.set(2, Instant{10});
  times.set(3, Instant{20});
  cr_assert(times.earliest() == Instant{10});
  cr_assert(times.take(Instant{20}, 9) == (std::vector<int>{2, 3}));
  cr_assert(times.earliest() == Instant{30});
  cr_assert(times.take(Instant{29}, 9).empty());
}

Test(due_times, a_key_has_one_time) {
  DueTimes<int> times;
  times.set(1, Instant{10});
  times.set(1, Instant{50});
  cr_assert(times.take(Instant{10}, 9).empty());
  cr_assert(times.contains(1));
  times.clear(1);
  cr_assert_not(times.contains(1));
  cr_assert_not(times.earliest().has_value());
  times.clear(1);
}

Test(due_times, takes_no_more_than_asked_for) {
  DueTimes<int> times;
  for (int i = 0; i < 5; ++i) times.set(i, Instant{i});
  cr_assert_eq(times.take(Instant{9}, 2).size(), 2U);
  cr_assert_eq(times.take(Instant{9}, 9).size(), 3U);
}
