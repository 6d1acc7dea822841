#include "daemon/policy/detection.h"

namespace akm::policy {

std::string_view detection_name(DetectionClass detection) {
  switch (detection) {
    case DetectionClass::key_access:
      return "key-access";
    case DetectionClass::process_access:
      return "process-access";
    case DetectionClass::state_tampering:
      return "state-tampering";
    case DetectionClass::config_tampering:
      return "config-tampering";
    case DetectionClass::forged_frames:
      return "forged-frames";
    case DetectionClass::cloned_identity:
      return "cloned-identity";
    case DetectionClass::stale_incarnation:
      return "stale-incarnation";
    case DetectionClass::sensor_impaired:
      return "sensor-impaired";
    case DetectionClass::attestation_failed:
      return "attestation-failed";
  }
  return "unknown";
}

std::string_view grade_name(Grade grade) {
  switch (grade) {
    case Grade::observe:
      return "observe";
    case Grade::evidence:
      return "evidence";
    case Grade::critical:
      return "critical";
  }
  return "unknown";
}

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::succeeded:
      return "succeeded";
    case Outcome::refused:
      return "refused";
    case Outcome::unknown:
      return "unknown";
  }
  return "unknown";
}

std::optional<DetectionClass> detection_by_name(std::string_view name) {
  for (const DetectionClass detection : kDetectionClasses) {
    if (detection_name(detection) == name) return detection;
  }
  return std::nullopt;
}

std::optional<Grade> grade_by_name(std::string_view name) {
  for (const Grade grade : {Grade::observe, Grade::evidence, Grade::critical}) {
    if (grade_name(grade) == name) return grade;
  }
  return std::nullopt;
}

}  // namespace akm::policy
