#pragma once
// From a history that violates an invariant to a short one that violates the same: acts, faults and members
// are left out as long as it still does (delta debugging, Zeller 2002).
#include <cstddef>
#include <functional>

#include "tests/sim/history.h"

namespace akm::sim {

struct Shrunk {
  Plan plan;
  Outcome outcome;
  std::size_t runs = 0;
};

using Run = std::function<Outcome(const Plan&)>;

/// `plan` violates something; `most` is the number of histories that may be tried, by `run`.
[[nodiscard]] Shrunk shrink(
    const Plan& plan, std::size_t most, Run run = [](const Plan& one) { return run_history(one); });

}  // namespace akm::sim
