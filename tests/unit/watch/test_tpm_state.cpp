#include "daemon/watch/tpm_state.h"

#include <criterion/criterion.h>

#include "tests/support/memory_store.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::Heard;
using policy::DetectionClass;
using policy::Grade;

namespace {

struct Life {
  keyring::TpmClock clock{.clock_ms = 1000, .reset_count = 5, .restart_count = 1, .safe = true};
  BootState boot{.boot_id = "boot-1", .slept_s = 0, .null_name = "00aa"};
  std::uint64_t session_failures = 0;
};

struct Bench {
  explicit Bench(test::MemoryStore& store) : memory(&store), judge(judge_tpm(memory)) {}
  std::size_t look(const Life& life) {
    const std::size_t before = heard.all.size();
    const Facts facts = tpm_facts(life.clock, life.session_failures, life.boot);
    std::vector<Change> changes = baseline.compare(facts);
    judge({std::move(changes), facts, baseline}, Instant{1}, heard.tell());
    return heard.all.size() - before;
  }
  WatchMemory memory;
  Judge judge;
  Baseline baseline;
  Heard heard;
};

}  // namespace

Test(tpm_state, a_reset_without_a_boot_is_critical) {
  test::MemoryStore store;
  Bench bench(store);
  Life life;
  cr_assert_eq(bench.look(life), 0);
  life.clock.reset_count = 6;
  cr_assert_eq(bench.look(life), 1);
  cr_assert_eq(bench.heard.last_class(), DetectionClass::tpm_interposed);
  cr_assert_eq(bench.heard.last_grade(), Grade::critical);
  cr_assert_eq(bench.look(life), 0, "told once");
}

Test(tpm_state, sleep_is_innocent_and_hibernation_is_evidence) {
  test::MemoryStore store;
  Bench bench(store);
  Life life;
  (void)bench.look(life);
  life.clock.restart_count = 2;
  life.boot.slept_s = 300;
  cr_assert_eq(bench.look(life), 0);
  life.clock.reset_count = 6;
  life.boot.slept_s = 900;
  cr_assert_eq(bench.look(life), 1);
  cr_assert_eq(bench.heard.last_grade(), Grade::evidence);
}

Test(tpm_state, lockout_authorisations_and_a_clear_are_told) {
  test::MemoryStore store;
  Bench bench(store);
  Life life;
  (void)bench.look(life);
  life.clock.lockout_counter = 1;
  cr_assert_eq(bench.look(life), 1);
  cr_assert_eq(bench.heard.last_class(), DetectionClass::tpm_access);
  cr_assert_eq(bench.heard.last_grade(), Grade::evidence);
  life.clock.lockout_counter = 0;
  cr_assert_eq(bench.look(life), 1);
  cr_assert_eq(bench.heard.last_grade(), Grade::observe);
  life.clock.owner_auth_set = true;
  cr_assert_eq(bench.look(life), 1);
  life.clock.reset_count = 0;
  cr_assert_eq(bench.look(life), 1);
  cr_assert(bench.heard.last("what").starts_with("TPM cleared"));
  cr_assert_eq(bench.heard.last_class(), DetectionClass::tpm_access);
}

Test(tpm_state, answers_that_fail_their_check_are_critical) {
  test::MemoryStore store;
  Bench bench(store);
  Life life;
  (void)bench.look(life);
  life.session_failures = 1;
  cr_assert_eq(bench.look(life), 1);
  cr_assert_eq(bench.heard.last_class(), DetectionClass::tpm_interposed);
  cr_assert_eq(bench.heard.last_grade(), Grade::critical);
}

Test(tpm_state, answers_that_failed_at_the_start_are_told_at_the_first_look) {
  test::MemoryStore store;
  Bench bench(store);
  Life life;
  life.session_failures = 1;
  cr_assert_eq(bench.look(life), 1);
  cr_assert_eq(bench.heard.last_class(), DetectionClass::tpm_interposed);
  cr_assert_eq(bench.heard.last_grade(), Grade::critical);
  cr_assert_eq(bench.look(life), 0);
}

Test(tpm_state, a_reset_while_the_daemon_was_stopped_is_found_and_a_boot_is_not_one) {
  test::MemoryStore store;
  Life life;
  (void)Bench(store).look(life);
  life.clock.reset_count = 6;
  {
    Bench again(store);
    cr_assert_eq(again.look(life), 1);
    cr_assert_eq(again.heard.last_class(), DetectionClass::tpm_interposed);
    cr_assert_eq(again.heard.last_grade(), Grade::evidence);
  }
  life.clock.reset_count = 7;
  life.boot.boot_id = "boot-2";
  cr_assert_eq(Bench(store).look(life), 0);
}
