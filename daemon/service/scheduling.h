#pragma once
// Before others: a detection, and the new keys that follow it, must not wait for a busy (or hostile)
// program's time slice.
#include "daemon/base/result.h"

namespace akm::service {

/// SCHED_RR for this thread; threads and programs that it starts are ordinary ones (SCHED_RESET_ON_FORK).
/// Nothing for priority 0. The kernel keeps its share for the others (sched_rt_runtime_us). io_failed: not
/// allowed.
Status run_before_others(int realtime_priority);

}  // namespace akm::service
