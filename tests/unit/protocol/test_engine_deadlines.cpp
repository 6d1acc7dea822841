// The engine's one clock for all its relationships.
#include <criterion/criterion.h>

#include <algorithm>

#include "tests/support/asr_fixture.h"

using namespace akm;
using namespace akm::protocol;
using namespace std::chrono_literals;
using testing::fixed_asr;

namespace {

constexpr AsrId kId = 0xabcdef;

/// One engine alone; what it sends goes nowhere.
struct Alone {
  Engine engine{Engine::Options{10, 10}};
  testing::SeededRandom random{1};
  Instant now{1'000'000'000};
  EffectList give(Event event) { return engine.step(std::move(event), now, random); }
  EffectList install(const Asr& asr) { return give(InstallAsr{asr.clone(), 0, false, 0}); }
};

}  // namespace

Test(engine_deadlines, deadlines_of_many_relationships_are_found_at_once) {
  Alone alone;
  for (AsrId id = 1; id <= 300; ++id) {
    Asr asr = fixed_asr(2, 1, Kind::provisioning, false);
    asr.description.id = id;
    (void)alone.install(asr);
  }
  cr_assert_eq(alone.engine.relationships().size(), 300U);
  std::size_t steps = 0;
  const Instant end = alone.now + 3600s;
  while (const auto due = alone.engine.next_deadline()) {
    if (*due > end) break;
    alone.now = std::max(alone.now, *due);
    (void)alone.give(DeadlineReached{});
    ++steps;
  }
  cr_assert_lt(steps, 700U, "silent relationships do not wake the daemon");
}

Test(engine_deadlines, who_has_much_to_catch_up_on_does_not_keep_others_waiting) {
  // A machine stood still: both relationships have a repeat and a timeout that are overdue.
  Alone alone;
  const Asr one = fixed_asr(2);
  Asr two = fixed_asr(2);
  two.description.id = kId + 1;
  alone.install(one);
  alone.install(two);
  alone.give(RequestRekey{kId});
  alone.give(RequestRekey{kId + 1});
  alone.now = alone.now + 10s;
  std::size_t failed = 0;
  for (const Effect& effect : alone.give(DeadlineReached{})) {
    failed += std::holds_alternative<AttemptFailed>(effect) ? 1U : 0U;
  }
  cr_assert_eq(failed, 2U);
}
