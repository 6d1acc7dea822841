#include "daemon/policy/detection.h"

#include <criterion/criterion.h>

#include <set>

using namespace akm::policy;

Test(detection, names_are_distinct_and_read_back) {
  std::set<std::string_view> names;
  for (const DetectionClass detection : kDetectionClasses) {
    const std::string_view name = detection_name(detection);
    cr_assert_neq(name, "unknown");
    names.insert(name);
    const auto back = detection_by_name(name);
    cr_assert(back.has_value());
    cr_assert_eq(*back, detection);
  }
  cr_assert_eq(names.size(), kDetectionClassCount);
}

Test(detection, array_index_is_the_enum_value) {
  for (std::size_t i = 0; i < kDetectionClassCount; ++i) {
    cr_assert_eq(static_cast<std::size_t>(kDetectionClasses[i]), i);
  }
}

Test(detection, unknown_names_are_none) {
  cr_assert_not(detection_by_name("").has_value());
  cr_assert_not(detection_by_name("key-access ").has_value());
  cr_assert_not(detection_by_name("unknown").has_value());
  cr_assert_not(grade_by_name("Critical").has_value());
}

Test(detection, grades_and_outcomes_have_names) {
  for (const Grade grade : {Grade::observe, Grade::evidence, Grade::critical}) {
    cr_assert_eq(*grade_by_name(grade_name(grade)), grade);
  }
  cr_assert_eq(outcome_name(Outcome::succeeded), "succeeded");
  cr_assert_eq(outcome_name(Outcome::refused), "refused");
  cr_assert_eq(outcome_name(Outcome::unknown), "unknown");
}
