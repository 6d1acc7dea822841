#include "daemon/base/instant.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace std::chrono_literals;

Test(instant, arithmetic_and_order) {
  const Instant start{1'000};
  cr_assert_eq((start + 5ns).ns, 1'005);
  cr_assert_eq((start - 1us).ns, 0);
  cr_assert(start + 1s - start == 1s);
  cr_assert(start < start + 1ns);
}

Test(instant, the_clock_goes_forward) {
  Instant last = boottime_now();
  cr_assert_gt(last.ns, 0);
  for (int i = 0; i < 1000; ++i) {
    const Instant now = boottime_now();
    cr_assert(now >= last);
    last = now;
  }
}
