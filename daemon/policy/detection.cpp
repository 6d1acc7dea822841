#include "daemon/policy/detection.h"

#include "daemon/policy/catalogue.h"

namespace akm::policy {

std::string_view detection_name(DetectionClass detection) {
  return entry_of(detection).name;
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
