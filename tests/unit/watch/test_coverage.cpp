#include "daemon/watch/coverage.h"

#include <criterion/criterion.h>

#include "tests/support/memory_store.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Heard;

Test(coverage, tiers_have_an_order) {
  cr_assert_gt(tier_rank("lsm"), tier_rank("kprobe"));
  cr_assert_gt(tier_rank("fentry"), tier_rank("tracepoint + fanotify: no lsm=bpf"));
  cr_assert_gt(tier_rank("tracepoint"), tier_rank("tracepoint (degraded): lsm missing"));
  cr_assert_gt(tier_rank("tracepoint (degraded)"), tier_rank("none"));
}

Test(coverage, less_than_in_the_last_run_is_told_once) {
  test::MemoryStore store;
  Heard heard;
  const auto run = [&](const Tiers& tiers) {
    WatchMemory memory(&store);
    Coverage watch([&tiers] { return tiers; }, memory);
    return heard.look(watch) + heard.look(watch);
  };
  cr_assert_eq(run({{"D1", "lsm"}, {"D2", "tracepoint: because"}}), 0);
  cr_assert_eq(run({{"D1", "lsm"}, {"D2", "tracepoint: another reason"}}), 0);
  cr_assert_eq(run({{"D1", "tracepoint"}, {"D2", "tracepoint"}}), 1);
  cr_assert_eq(heard.last_class(), policy::DetectionClass::sensor_impaired);
  cr_assert_eq(heard.last_grade(), policy::Grade::evidence);
  cr_assert_eq(run({}), 2, "without the sensor nothing is covered");
  cr_assert_eq(run({{"D1", "lsm"}, {"D2", "tracepoint"}}), 2);
  cr_assert_eq(heard.last_grade(), policy::Grade::observe, "better is no evidence");
}
