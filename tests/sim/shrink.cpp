#include "tests/sim/shrink.h"

#include <algorithm>
#include <utility>

namespace akm::sim {
namespace {

class Shrinker {
 public:
  Shrinker(const Plan& plan, std::size_t most, Run run) : run_(std::move(run)), most_(most) {
    best_.plan = plan;
    best_.outcome = run_(plan);
    best_.plan.faults = best_.outcome.faults;
    invariant_ = best_.outcome.violations.front().invariant;
  }

  Shrunk run() {
    bool smaller = true;
    while (smaller && best_.runs < most_) {
      smaller = false;
      smaller |= fewer_machines();
      smaller |= fewer_acts();
      smaller |= fewer_faults();
      smaller |= plainer();
    }
    return std::move(best_);
  }

 private:
  /// Keeps `plan` when it still violates the same invariant.
  bool attempt(const Plan& plan) {
    if (best_.runs >= most_) return false;
    ++best_.runs;
    Outcome outcome = run_(plan);
    if (outcome.violations.empty() || outcome.violations.front().invariant != invariant_) return false;
    best_.plan = plan;
    best_.plan.faults = outcome.faults;  // those that never fired are gone
    best_.outcome = std::move(outcome);
    return true;
  }

  bool fewer_machines() {
    bool smaller = false;
    const auto with = [&](std::uint32_t members, std::uint32_t spares) {
      Plan plan = best_.plan;
      plan.setting.members = members;
      plan.setting.spares = spares;
      return attempt(plan);
    };
    while (best_.plan.setting.spares > 0 && with(best_.plan.setting.members, best_.plan.setting.spares - 1))
      smaller = true;
    while (best_.plan.setting.members > 4 && with(best_.plan.setting.members / 2, best_.plan.setting.spares))
      smaller = true;
    while (best_.plan.setting.members > 2 && with(best_.plan.setting.members - 1, best_.plan.setting.spares))
      smaller = true;
    return smaller;
  }

  /// Leaves out halves, then quarters, down to single ones.
  template <typename Without>
  bool leave_out(std::size_t (*count)(const Plan&), Without without) {
    bool smaller = false;
    for (std::size_t chunk = std::max<std::size_t>(count(best_.plan), 1); chunk > 0; chunk /= 2) {
      for (std::size_t first = 0; first < count(best_.plan);) {
        const std::size_t last = std::min(first + chunk, count(best_.plan));
        if (attempt(without(best_.plan, first, last))) {
          smaller = true;
        } else {
          first = last;
        }
        if (best_.runs >= most_) return smaller;
      }
    }
    return smaller;
  }

  bool fewer_acts() {
    return leave_out([](const Plan& plan) { return plan.acts.size(); },
                     [](Plan plan, std::size_t first, std::size_t last) {
                       plan.acts.erase(plan.acts.begin() + static_cast<std::ptrdiff_t>(first),
                                       plan.acts.begin() + static_cast<std::ptrdiff_t>(last));
                       return plan;
                     });
  }

  bool fewer_faults() {
    return leave_out([](const Plan& plan) { return plan.faults->size(); },
                     [](Plan plan, std::size_t first, std::size_t last) {
                       const auto at = std::next(plan.faults->begin(), static_cast<std::ptrdiff_t>(first));
                       plan.faults->erase(at, std::next(at, static_cast<std::ptrdiff_t>(last - first)));
                       return plan;
                     });
  }

  bool plainer() {
    bool smaller = false;
    Plan plan = best_.plan;
    if (plan.setting.drift_ppm != 0) {
      plan.setting.drift_ppm = 0;
      smaller |= attempt(plan);
    }
    plan = best_.plan;
    if (plan.setting.topology != protocol::Topology::mesh) {
      plan.setting.topology = protocol::Topology::mesh;
      smaller |= attempt(plan);
    }
    return smaller;
  }

  Run run_;
  std::size_t most_;
  Shrunk best_;
  Invariant invariant_{};
};

}  // namespace

Shrunk shrink(const Plan& plan, std::size_t most, Run run) {
  return Shrinker(plan, most, std::move(run)).run();
}

}  // namespace akm::sim
