#include "daemon/watch/standard_watches.h"

#include <criterion/criterion.h>

#include "tests/support/fake_loop.h"
#include "tests/support/memory_store.h"
#include "tests/unit/watch/aside.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;

namespace {

Own own_of(test::Aside& aside) {
  Own own;
  own.paths = {"/var/lib/akmd"};
  own.run_aside = aside.run();
  own.hardware = []() -> Result<keyring::HardwareSources> { return keyring::HardwareSources{{"a", "b"}}; };
  own.tiers = [] { return Tiers{}; };
  return own;
}

}  // namespace

Test(standard_watches, all_on_one_deadline) {
  test::FakeLoop loop;
  test::MemoryStore store;
  test::Aside aside;
  test::Heard heard;
  const StandardWatches watches({}, own_of(aside), &store, loop, [] { return Instant{}; }, heard.tell());
  cr_assert_geq(watches.watches().size(), 13);
  cr_assert_eq(loop.deadlines.size(), 1);
  cr_assert_eq(*loop.deadlines[0].first(), Instant{} + std::chrono::seconds(60));
  while (aside.work()) {
  }
  cr_assert(heard.all.empty(), "a machine as it is is no detection");
}

Test(standard_watches, what_is_switched_off_is_not_there) {
  test::FakeLoop loop;
  test::Aside aside;
  test::Heard heard;
  WatchSettings settings;
  settings.enabled = false;
  const StandardWatches none(settings, own_of(aside), nullptr, loop, [] { return Instant{}; }, heard.tell());
  cr_assert_eq(none.watches().size(), 0);
  cr_assert(loop.deadlines.empty());
  cr_assert(aside.jobs.empty());

  settings.enabled = true;
  for (const auto one : policy::kDetectionClasses) {
    if (one != policy::DetectionClass::clock_jump) settings.off.push_back(one);
  }
  const StandardWatches clock(settings, own_of(aside), nullptr, loop, [] { return Instant{}; }, heard.tell());
  cr_assert_eq(clock.watches().size(), 1);
}
