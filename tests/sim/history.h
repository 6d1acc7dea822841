#pragma once
// One history: a fleet is set up, then things happen and fail (safety phase), then faults stop and all that
// can be reached must meet in one epoch (liveness phase).
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "tests/sim/plan.h"
#include "tests/sim/watch.h"

namespace akm::sim {

struct Outcome {
  std::vector<Violation> violations;
  Figures figures;
  std::set<FaultPoint> faults;  // that fired
  Duration to_agree{};          // from the end of faults until all agreed
  std::uint64_t attempts = 0;   // the most of one machine in that time
  Watch::Rounds rounds{};       // failed attempts in one relationship, by the highest chain in use
};

/// `also` watches too (the chart); may be null.
[[nodiscard]] Outcome run_history(const Plan& plan, Observer* also = nullptr);

}  // namespace akm::sim
