// The simulator's parts: that a seed means one history, that a recorded history runs again without chance,
// that a plan with a violation becomes a short one, and the clock.
#include <criterion/criterion.h>

#include <algorithm>

#include "tests/sim/chart.h"
#include "tests/sim/clock.h"
#include "tests/sim/live_secrets.h"
#include "tests/sim/shrink.h"

using namespace akm;
using namespace akm::sim;

namespace {

/// Counts what no honest history has: so that there is something to shrink without a bug in the product.
class Commits final : public Observer {
 public:
  std::size_t seen = 0;
  void effect(std::size_t /*machine*/, const protocol::Effect& effect, bool /*done*/) override {
    seen += std::holds_alternative<protocol::SessionCommitted>(effect) ? 1U : 0U;
  }
};

}  // namespace

Test(simulator, a_seed_is_one_history) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const Outcome one = run_history(draw_plan(seed, 3));
    const Outcome two = run_history(draw_plan(seed, 3));
    cr_assert_eq(one.figures.steps, two.figures.steps);
    cr_assert_eq(one.figures.frames, two.figures.frames);
    cr_assert_eq(one.figures.checks, two.figures.checks);
    cr_assert(one.faults == two.faults);
    cr_assert(one.figures.commits > 0);
  }
}

Test(simulator, a_recorded_history_needs_no_chance) {
  std::size_t faults = 0;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    Plan plan = draw_plan(seed, 3);
    const Outcome drawn = run_history(plan);
    plan.faults = drawn.faults;
    const Outcome again = run_history(plan);
    cr_assert_eq(drawn.figures.steps, again.figures.steps);
    cr_assert(drawn.faults == again.faults);
    faults += drawn.faults.size();
  }
  cr_assert_gt(faults, 0U);
}

Test(simulator, faults_that_are_left_out_do_not_happen) {
  Plan plan = draw_plan(3, 3);
  plan.setting.faults = {.loss = 500'000};
  plan.faults = std::set<FaultPoint>{};
  cr_assert_eq(run_history(plan).faults.size(), 0U);
}

Test(simulator, the_chart_shows_frames_and_commits) {
  Plan plan = draw_plan(1, 2);
  plan.setting.managed = false;
  plan.setting.spares = 0;
  plan.acts = {{std::chrono::milliseconds(10), ActKind::rekey, 0, 0}};
  plan.faults = std::set<FaultPoint>{};
  Chart chart(plan.setting);
  (void)run_history(plan, &chart);
  const std::string text = chart.text(1000);
  for (const char* word :
       {"SEI t2", "SEC t2", "SEF t2", "SE t2", "commits generation 1 epoch 2", "n1 rekey"}) {
    cr_assert(text.find(word) != std::string::npos, "%s is not in the chart:\n%s", word, text.c_str());
  }
}

/// The product has no bug to shrink, so one is made up: a datagram is lost and somebody asks for a rekey.
Test(simulator, a_violation_becomes_short) {
  const auto run = [](const Plan& plan) {
    Outcome outcome = run_history(plan);
    const bool asked = std::ranges::count(plan.acts, ActKind::rekey, &Act::kind) > 0;
    const bool lost = std::ranges::count(outcome.faults, FaultKind::loss, &FaultPoint::kind) > 0;
    if (asked && lost) outcome.violations.push_back({Invariant{}, Instant{}, "made up"});
    return outcome;
  };
  Plan plan;
  for (std::uint64_t seed = 0; plan.acts.size() < 3 || run(plan).violations.empty(); ++seed) {
    cr_assert_lt(seed, 200U);
    plan = draw_plan(seed, 5);
  }
  const Shrunk shrunk = shrink(plan, 2000, run);
  cr_assert_not(shrunk.outcome.violations.empty());
  cr_assert_eq(shrunk.plan.acts.size(), 1U);
  cr_assert(shrunk.plan.acts[0].kind == ActKind::rekey);
  cr_assert_eq(shrunk.plan.faults->size(), 1U);
  cr_assert(shrunk.plan.faults->begin()->kind == FaultKind::loss);
  cr_assert_eq(shrunk.plan.setting.members, 2U);
  cr_assert_leq(shrunk.runs, 2000U);
}

Test(simulator, observers_see_commits) {
  Commits commits;
  const Outcome outcome = run_history(draw_plan(2, 2), &commits);
  cr_assert_eq(commits.seen, outcome.figures.commits);
}

Test(simulator, a_clock_never_goes_back_and_knows_when) {
  const Instant begin{1'000'000'000'000};
  for (const std::int32_t drift : {-500, 0, 499}) {
    Clock clock(begin, Instant{77}, drift);
    Instant last = clock.local(begin);
    for (std::int64_t step = 0; step < 20'000; ++step) {
      const Instant now = begin + Duration(step * 997'001);
      if (step == 10'000) clock.jump(now, std::chrono::seconds(3));
      const Instant local = clock.local(now);
      cr_assert_geq(local.ns, last.ns);
      last = local;
      const Instant wanted = local + Duration(step * 31'337);
      const Instant at = clock.when(wanted);
      cr_assert_geq(clock.local(at).ns, wanted.ns);
      cr_assert(at <= now || clock.local(at - Duration(1)) < wanted);
    }
  }
}

Test(simulator, live_secrets_are_counted_by_owner) {
  reset_secrets(3);
  const LiveCount before = live_count(2);
  {
    const OwnerScope scope(2);
    const SecretBytes<128> pdv;
    SecretBuffer other(40);
    other.shrink(8);
    cr_assert_eq(live_count(2).pdvs, before.pdvs + 1);
    cr_assert_eq(live_count(2).bytes, before.bytes + 128 + 8);
  }
  cr_assert_eq(live_count(2).bytes, before.bytes);
}
