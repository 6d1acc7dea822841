#include "daemon/policy/grading.h"

#include <algorithm>

namespace akm::policy {

Grade grade(const Detection& detection) {
  const Grade ceiling = std::min(grade_ceiling(detection.detection), detection.at_most);
  switch (detection.outcome) {
    case Outcome::succeeded:
      return ceiling;
    case Outcome::refused:
    case Outcome::unknown:  // a request of io_uring for our memory, say: nobody honest makes one
      // Our key, our process, our BPF objects: the kernel lets nobody in, so that a refused attempt is all
      // there is to see of an intruder who has root, and it can go on until it succeeds. State and
      // configuration are touched by honest tools of root too.
      if (detection.privileged && entry_of(detection.detection).own_secret) return ceiling;
      // Any other user can make a call that is refused, so it must not take the node out of service.
      return std::min(ceiling, Grade::evidence);
  }
  return Grade::observe;
}

std::uint8_t severity_of_grade(Grade grade) {
  switch (grade) {
    case Grade::observe:
      return 6;
    case Grade::evidence:
      return 4;
    case Grade::critical:
      return 2;
  }
  return 6;
}

std::optional<Grade> grade_of_severity(std::uint64_t severity) {
  if (severity > 7) return std::nullopt;
  if (severity <= 2) return Grade::critical;
  if (severity <= 4) return Grade::evidence;
  return Grade::observe;
}

std::optional<ActionableEvidence> ActionableEvidence::from(DetectionClass detection, Grade claimed) {
  const Grade bounded = std::min(claimed, grade_ceiling(detection));
  if (bounded == Grade::observe) return std::nullopt;
  return ActionableEvidence(detection, bounded);
}

}  // namespace akm::policy
