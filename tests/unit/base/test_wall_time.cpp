#include "daemon/base/wall_time.h"

#include <criterion/criterion.h>

#include <ctime>

Test(wall_time, is_that_of_the_system) {
  const std::time_t before = std::time(nullptr);
  const std::int64_t now = akm::wall_time_ns() / 1'000'000'000;
  const std::time_t after = std::time(nullptr);
  cr_assert(now + 1 >= before && now <= after + 1);  // time() may be a tick behind
}
