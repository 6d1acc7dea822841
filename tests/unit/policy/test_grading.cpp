#include "daemon/policy/grading.h"

#include <criterion/criterion.h>

using namespace akm::policy;

namespace {

Detection seen(DetectionClass detection, Outcome outcome) {
  Detection out;
  out.detection = detection;
  out.outcome = outcome;
  return out;
}

}  // namespace

// A comparison at compile time: the ceiling of unauthenticated input cannot be changed by data.
static_assert(grade_ceiling(DetectionClass::forged_frames) == Grade::observe);

Test(grading, foreign_use_that_succeeded_is_critical) {
  for (const DetectionClass detection : {DetectionClass::key_access, DetectionClass::process_access,
                                         DetectionClass::state_tampering, DetectionClass::cloned_identity}) {
    cr_assert_eq(grade(seen(detection, Outcome::succeeded)), Grade::critical);
  }
}

// Whoever recorded frames can deliver one after its sender's restart: that must not evict the sender.
static_assert(grade_ceiling(DetectionClass::stale_incarnation) == Grade::evidence);

Test(grading, configuration_and_sensor_are_evidence) {
  cr_assert_eq(grade(seen(DetectionClass::config_tampering, Outcome::succeeded)), Grade::evidence);
  cr_assert_eq(grade(seen(DetectionClass::sensor_impaired, Outcome::succeeded)), Grade::evidence);
}

Test(grading, attempts_never_are_critical) {
  for (const DetectionClass detection : kDetectionClasses) {
    cr_assert_neq(grade(seen(detection, Outcome::refused)), Grade::critical);
    cr_assert_neq(grade(seen(detection, Outcome::unknown)), Grade::critical);
  }
  cr_assert_eq(grade(seen(DetectionClass::key_access, Outcome::refused)), Grade::evidence);
}

Test(grading, an_attempt_of_root_at_keys_or_process_is_critical) {
  for (const DetectionClass detection : kDetectionClasses) {
    Detection refused = seen(detection, Outcome::refused);
    refused.privileged = true;
    const bool own = entry_of(detection).own_secret;
    cr_assert_eq(grade(refused) == Grade::critical, own);
    refused.outcome = Outcome::unknown;
    cr_assert_eq(grade(refused) == Grade::critical, own);
  }
}

Test(grading, one_detection_can_weigh_less_than_its_class) {
  Detection ring = seen(DetectionClass::io_uring_use, Outcome::succeeded);
  cr_assert_eq(grade(ring), Grade::evidence);
  ring.at_most = Grade::observe;
  cr_assert_eq(grade(ring), Grade::observe);
}

Test(grading, forged_frames_are_observed_only) {
  for (const Outcome outcome : {Outcome::succeeded, Outcome::refused, Outcome::unknown}) {
    cr_assert_eq(grade(seen(DetectionClass::forged_frames, outcome)), Grade::observe);
  }
}

Test(grading, no_observation_becomes_actionable) {
  for (const DetectionClass detection : kDetectionClasses) {
    cr_assert_not(ActionableEvidence::from(detection, Grade::observe).has_value());
  }
  cr_assert_not(ActionableEvidence::from(DetectionClass::forged_frames, Grade::critical).has_value());
}

Test(grading, a_claim_above_the_ceiling_is_cut) {
  const auto evidence = ActionableEvidence::from(DetectionClass::config_tampering, Grade::critical);
  cr_assert(evidence.has_value());
  cr_assert_eq(evidence->grade(), Grade::evidence);
  cr_assert_eq(evidence->detection(), DetectionClass::config_tampering);
}

Test(grading, severities_are_those_of_syslog) {
  for (const Grade grade : {Grade::observe, Grade::evidence, Grade::critical}) {
    cr_assert_eq(*grade_of_severity(severity_of_grade(grade)), grade);
  }
  cr_assert_eq(*grade_of_severity(0), Grade::critical);
  cr_assert_eq(*grade_of_severity(3), Grade::evidence);
  cr_assert_eq(*grade_of_severity(7), Grade::observe);
  cr_assert_not(grade_of_severity(8).has_value());
  cr_assert_not(grade_of_severity(UINT64_MAX).has_value());
}
