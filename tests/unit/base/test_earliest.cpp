// The earliest of several instants.
#include "daemon/base/earliest.h"

#include <criterion/criterion.h>

using namespace akm;

Test(earliest, nothing_of_nothing) {
  Earliest next;
  cr_assert_not(next.at().has_value());
  next.consider(std::nullopt);
  cr_assert_not(next.at().has_value());
}

Test(earliest, the_order_does_not_matter) {
  Earliest next;
  next.consider(Instant{30});
  next.consider(std::optional(Instant{10}));
  next.consider(std::nullopt);
  next.consider(Instant{20});
  cr_assert_eq(next.at()->ns, 10);
}
