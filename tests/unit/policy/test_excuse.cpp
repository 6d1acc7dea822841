#include "daemon/policy/excuse.h"

#include <criterion/criterion.h>

#include <algorithm>

using namespace akm::policy;

Test(excuse, only_evidence_that_honest_work_causes) {
  for (const DetectionClass detection : standard_maintenance().lowers)
    cr_assert_eq(entry_of(detection).ceiling, Grade::evidence);
  cr_assert(may_be_excused(DetectionClass::config_tampering));
  cr_assert_not(may_be_excused(DetectionClass::key_access));
  cr_assert_not(may_be_excused(DetectionClass::sensor_impaired));
  cr_assert_not(may_be_excused(DetectionClass::audit_impaired));
}

Test(excuse, an_entry_matches_all_that_it_gives) {
  Detection use;
  use.detection = DetectionClass::bpf_use;
  use.subject = {{"comm", "tool"}, {"digest", std::string(64, '1')}, {"cgroup_path", "/a"}};
  Allowance entry{"tool", {DetectionClass::bpf_use}, std::string(64, '1'), ""};
  cr_assert(matches(entry, use));
  entry.cgroup = "/b";
  cr_assert_not(matches(entry, use));
  entry = {"tool", {DetectionClass::module_load}, std::string(64, '1'), ""};
  cr_assert_not(matches(entry, use));
  entry = {"tool", {DetectionClass::bpf_use}, "", ""};
  cr_assert_not(matches(entry, use), "a name alone is nothing");
  use.subject.erase("digest");
  entry.digest = std::string(64, '1');
  cr_assert_not(matches(entry, use), "the sensor could not tell");
}
