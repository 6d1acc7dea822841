#include "daemon/io/deadlines.h"

#include <criterion/criterion.h>

using akm::Instant;
using akm::io::Deadlines;

Test(deadlines, none_when_nobody_waits) {
  Deadlines deadlines;
  cr_assert(!deadlines.earliest());
  deadlines.add([] { return std::nullopt; }, [] { cr_assert_fail("called"); });
  cr_assert(!deadlines.earliest());
  deadlines.run_expired(Instant{INT64_MAX});
}

Test(deadlines, the_earliest_first_and_only_the_due) {
  Deadlines deadlines;
  std::vector<std::int64_t> order;
  for (const std::int64_t at : {30, 10, 20, 40}) {
    deadlines.add([at] { return Instant{at}; }, [&order, at] { order.push_back(at); });
  }
  cr_assert_eq(deadlines.earliest()->ns, 10);
  deadlines.run_expired(Instant{30});
  cr_assert(order == (std::vector<std::int64_t>{10, 20, 30}));
}

// The first owner's work moves the second's deadline away: it must not fire.
Test(deadlines, moved_by_an_earlier_owner) {
  Deadlines deadlines;
  std::optional<Instant> second{Instant{2}};
  deadlines.add([] { return Instant{1}; }, [&] { second.reset(); });
  deadlines.add([&] { return second; }, [] { cr_assert_fail("fired"); });
  deadlines.run_expired(Instant{5});
  cr_assert(!second);
}

Test(deadlines, an_owner_added_meanwhile_is_safe) {
  Deadlines deadlines;
  int calls = 0;
  deadlines.add([] { return Instant{1}; },
                [&] {
                  for (int i = 0; i < 100; ++i) deadlines.add([] { return Instant{9}; }, [] {});
                  ++calls;
                });
  deadlines.run_expired(Instant{1});
  cr_assert_eq(calls, 1);
  cr_assert_eq(deadlines.earliest()->ns, 1);
}
