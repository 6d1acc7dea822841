#pragma once
// What a detection weighs (docs/detections.md, Grades). Ceilings are part of the code, not of a
// configuration.
#include "daemon/policy/catalogue.h"

namespace akm::policy {

/// The highest grade that evidence of this class can have, whatever a configuration says: what
/// unauthenticated input can cause stays observe.
constexpr Grade grade_ceiling(DetectionClass detection) {
  return entry_of(detection).ceiling;
}

/// Grade by class and outcome: an attempt that was refused, or whose outcome was not seen, is evidence at
/// most, but for root's at our keys or our process; the ceiling holds.
Grade grade(const Detection& detection);

/// Syslog severity for reports and journal records: critical 2, evidence 4, observe 6; and back (0 to 2, 3 to
/// 4, 5 to 7). `grade_of_severity` yields none above 7: the number comes from a peer.
std::uint8_t severity_of_grade(Grade grade);
std::optional<Grade> grade_of_severity(std::uint64_t severity);

/// Proof that evidence may cost somebody something: only grades above observe can be turned into one, after
/// the class's ceiling was applied. Whatever evicts or rekeys takes this type, so that an observation cannot
/// get there.
class ActionableEvidence {
 public:
  /// None for grade observe, and for classes whose ceiling is observe.
  static std::optional<ActionableEvidence> from(DetectionClass detection, Grade claimed);
  [[nodiscard]] DetectionClass detection() const { return detection_; }
  [[nodiscard]] Grade grade() const { return grade_; }

 private:
  ActionableEvidence(DetectionClass detection, Grade grade) : detection_(detection), grade_(grade) {}
  DetectionClass detection_;
  Grade grade_;
};

}  // namespace akm::policy
