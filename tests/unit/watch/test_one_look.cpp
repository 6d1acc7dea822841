#include "daemon/watch/one_look.h"

#include <criterion/criterion.h>

#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Heard;

namespace {

policy::Detection one(policy::Grade at_most) {
  policy::Detection out;
  out.detection = policy::DetectionClass::foreign_code;
  out.at_most = at_most;
  return out;
}

}  // namespace

Test(one_look, tells_some_and_a_number) {
  Heard heard;
  const Tell tell = heard.tell();
  {
    OneLook look(tell, Instant{7});
    for (int i = 0; i < 100; ++i) look.tell()(one(policy::Grade::evidence));
  }
  cr_assert_eq(heard.all.size(), kToldAtOnce + 1);
  cr_assert_eq(heard.last("count"), std::to_string(100 - kToldAtOnce));
  cr_assert_eq(heard.last_grade(), policy::Grade::evidence, "the rest weighs what it weighed");
  cr_assert_eq(heard.all.back().boottime_ns, 7);
}

Test(one_look, many_harmless_ones_do_not_hide_one_that_is_not) {
  Heard heard;
  const Tell tell = heard.tell();
  OneLook look(tell, Instant{});
  for (int i = 0; i < 100; ++i) look.tell()(one(policy::Grade::observe));
  look.tell()(one(policy::Grade::critical));
  cr_assert_eq(heard.last_grade(), policy::Grade::critical);
}
