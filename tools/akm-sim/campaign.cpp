#include "tools/akm-sim/campaign.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "tests/sim/chart.h"
#include "tests/sim/shrink.h"

namespace akm::sim {
namespace {

constexpr std::size_t kShrinkRuns = 600;

/// What one worker sends back: plain numbers, small enough for one write.
struct Sum {
  Figures figures;
  std::uint64_t failed = 0;
  std::uint64_t largest = 0;  // group
  std::int64_t agree_ns = 0;  // the longest
  std::uint64_t attempts = 0;
  Watch::Rounds rounds{};
};

Sum& operator+=(Sum& sum, const Sum& more) {
  sum.figures += more.figures;
  sum.failed += more.failed;
  sum.largest = std::max(sum.largest, more.largest);
  sum.agree_ns = std::max(sum.agree_ns, more.agree_ns);
  sum.attempts = std::max(sum.attempts, more.attempts);
  for (std::size_t chain = 0; chain < sum.rounds.size(); ++chain) {
    sum.rounds[chain] = std::max(sum.rounds[chain], more.rounds[chain]);
  }
  return sum;
}

void print_violations(const Outcome& outcome) {
  for (const Violation& violation : outcome.violations) {
    fmt::print("  {} at {:.3f} ms: {}\n", invariant_name(violation.invariant),
               static_cast<double>(violation.at.ns - 1'000'000'000'000) / 1e6, violation.what);
  }
}

void draw(const Plan& plan, const Options& options) {
  Chart chart(plan.setting);
  (void)run_history(plan, &chart);
  fmt::print("{}", chart.text(options.lines));
}

void print_failure(const Plan& plan, const Outcome& outcome, const Options& options) {
  fmt::print("{}\n", describe(plan));
  print_violations(outcome);
  const std::string members = options.members != 0 ? fmt::format(" --members {}", options.members) : "";
  fmt::print("  again: akm-sim --seed {}{}\n", plan.seed, members);
  if (options.shrink) {
    const Shrunk shrunk = shrink(plan, kShrinkRuns);
    fmt::print("shrunk in {} runs: {}\n", shrunk.runs, describe(shrunk.plan));
    for (const Act& act : shrunk.plan.acts) {
      fmt::print("  {:10.3f} ms {}\n", static_cast<double>(act.at.count()) / 1e6, describe(act));
    }
    print_violations(shrunk.outcome);
    draw(shrunk.plan, options);
  }
  std::fflush(stdout);
}

void print_sum(const Sum& sum, double seconds) {
  const Figures& figures = sum.figures;
  fmt::print(
      "{} histories of up to {} members, {} failed; {} steps, {} invariant checks, {} frames, {} faults\n",
      figures.histories, sum.largest, sum.failed, figures.steps, figures.checks, figures.frames,
      figures.faults);
  fmt::print(
      "{} commits, {} of them on the fallback and {} on the failsafe chain; {} frames between members known "
      "to "
      "agree; {} datagrams received; {} reports of a second copy\n",
      figures.commits, figures.fallbacks, figures.failsafes, figures.agreed, figures.datagrams,
      figures.copies);
  fmt::print(
      "longest way to agreement {:.1f} s and {} attempts; failed ones in one relationship at most {}, {} "
      "where the "
      "fallback chain was in use, {} where the failsafe chain was\n",
      static_cast<double>(sum.agree_ns) / 1e9, sum.attempts, sum.rounds[0], sum.rounds[1], sum.rounds[2]);
  fmt::print("{:.1f} s, {:.0f} histories/s\n", seconds, static_cast<double>(figures.histories) / seconds);
}

Sum run_share(const Options& options, std::uint32_t share) {
  Sum sum;
  for (std::uint64_t seed = options.first + share; seed < options.end; seed += options.jobs) {
    const Plan plan = draw_plan(seed, options.members);
    const Outcome outcome = run_history(plan);
    if (options.chart) draw(plan, options);
    sum += {outcome.figures,      outcome.violations.empty() ? 0U : 1U,
            plan.setting.members, outcome.to_agree.count(),
            outcome.attempts,     outcome.rounds};
    if (outcome.violations.empty()) continue;
    print_failure(plan, outcome, options);
    if (!options.keep_going) break;
  }
  return sum;
}

/// A worker of its own for each share: what a history breaks, it breaks there.
bool run_workers(const Options& options, Sum& sum) {
  std::vector<int> ends;
  for (std::uint32_t share = 0; share < options.jobs; ++share) {
    int pipe_ends[2];
    if (::pipe(pipe_ends) != 0) return false;
    const pid_t child = ::fork();
    if (child < 0) return false;
    if (child == 0) {
      const Sum mine = run_share(options, share);
      const bool sent = ::write(pipe_ends[1], &mine, sizeof mine) == sizeof mine;
      ::_exit(sent ? 0 : 1);
    }
    ::close(pipe_ends[1]);
    ends.push_back(pipe_ends[0]);
  }
  bool well = true;
  for (const int end : ends) {
    Sum share;
    well &= ::read(end, &share, sizeof share) == sizeof share;
    if (well) sum += share;
    ::close(end);
  }
  int status = 0;
  while (::wait(&status) > 0) well &= status == 0;
  return well;
}

}  // namespace

int run_campaign(const Options& options) {
  const Instant begin = boottime_now();
  Sum sum;
  bool well = true;
  if (options.jobs == 1) {
    sum = run_share(options, 0);
  } else {
    well = run_workers(options, sum);
  }
  print_sum(sum, static_cast<double>((boottime_now() - begin).count()) / 1e9);
  if (!well) fmt::print("a worker ended badly\n");
  return !well ? 2 : sum.failed == 0 ? 0 : 1;
}

}  // namespace akm::sim
