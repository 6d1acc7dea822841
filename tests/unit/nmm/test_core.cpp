#include "daemon/nmm/core.h"

#include <criterion/criterion.h>

#include <chrono>

#include "tests/unit/nmm/nmm_net.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TestSuite(core, .init = quiet);

Test(core, ids_are_never_zero) {
  class Zeros final : public RandomSource {
   public:
    Status fill(std::span<std::uint8_t> out) override {
      std::ranges::fill(out, static_cast<std::uint8_t>(++calls < 3 ? 0 : 7));
      return {};
    }
    int calls = 0;
  } random;
  const auto id = draw_id(random);
  cr_assert(id.has_value());
  cr_assert_neq(*id, 0U);
  cr_assert_eq(random.calls, 3);
}

Test(core, a_failing_source_gives_no_id) {
  class Broken final : public RandomSource {
   public:
    Status fill(std::span<std::uint8_t>) override { return fail(Errc::io_failed); }
  } random;
  cr_assert(draw_id(random).error().code == Errc::io_failed);
}
