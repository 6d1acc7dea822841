#pragma once
// Many histories, in one process or in several, and what came of them.
#include "tests/sim/history.h"
#include "tools/akm-sim/options.h"

namespace akm::sim {

/// Runs all seeds, prints failures and the sum. Returns the process's exit status: 0 when no invariant was
/// violated, 1 when one was, 2 when a worker ended badly.
[[nodiscard]] int run_campaign(const Options& options);

}  // namespace akm::sim
