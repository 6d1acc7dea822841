#include "daemon/nmm/incarnation_base.h"

#include <criterion/criterion.h>

#include "tests/unit/nmm/memory_store.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;

Test(incarnation_base, is_none_until_a_floor_asks_for_it) {
  MemoryStore store;
  cr_assert_eq(*incarnation_base(store), 0U);
  cr_assert_not(*raise_incarnation(store, 5, 5));
  cr_assert_not(*raise_incarnation(store, 5, 0));
  cr_assert_eq(*incarnation_base(store), 0U);
}

Test(incarnation_base, lifts_the_next_start_above_the_floor_and_no_further) {
  MemoryStore store;
  cr_assert(*raise_incarnation(store, 3, 1000));
  cr_assert_gt(4 + *incarnation_base(store), 1000U);
  cr_assert_not(*raise_incarnation(store, 3, 1000), "also before the next start");
  cr_assert_eq(*incarnation_base(store), 997U);
  cr_assert_not(*raise_incarnation(store, 4, 1000), "once is enough");
  cr_assert(*raise_incarnation(store, 4, 5000));
  cr_assert_eq(5 + *incarnation_base(store), 5001U);
}

Test(incarnation_base, never_wraps_and_a_damaged_one_is_said) {
  MemoryStore store;
  cr_assert(raise_incarnation(store, 1, UINT32_MAX).error().code == Errc::exhausted);
  cr_assert_eq(*incarnation_base(store), 0U);
  store.records["nmm-incarnation-base"] = {1};
  cr_assert(incarnation_base(store).error().code == Errc::state_corrupt);
  cr_assert(raise_incarnation(store, 1, 2).error().code == Errc::state_corrupt);
}

Test(incarnation_base, a_failing_disk_changes_nothing) {
  MemoryStore store;
  store.failing = true;
  cr_assert_not(raise_incarnation(store, 1, 2).has_value());
}
