#include "daemon/service/scheduling.h"

#include <sched.h>

namespace akm::service {

Status run_before_others(int realtime_priority) {
  if (realtime_priority == 0) return {};
  sched_param parameters{};
  parameters.sched_priority = realtime_priority;
  if (::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &parameters) != 0) {
    return fail_errno(Errc::io_failed, "real-time scheduling (CAP_SYS_NICE or RLIMIT_RTPRIO)");
  }
  return {};
}

}  // namespace akm::service
