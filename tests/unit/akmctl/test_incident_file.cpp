#include "tools/akmctl/incident_file.h"

#include <criterion/criterion.h>

#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::ctl;

namespace {

std::string error_of(const std::string& text) {
  const test::TemporaryFolder folder;
  const auto records = read_incident(folder.write("incident.jsonl", text));
  return records ? "" : records.error().detail.substr(folder.path().size() + 1);
}

}  // namespace

Test(incident_file, records_are_detections) {
  const test::TemporaryFolder folder;
  const auto records = read_incident(folder.write(
      "a.jsonl",
      R"({"class":"key-access","grade":"critical","outcome":"succeeded","boottime_ns":5,"node":"a","asr":"00aa",)"
      R"("subject":{"pid":"7","uid":"0"},"evidence":{"operation":"keyctl-read"}})"
      "\n\n{\"seal\":1}\n{\"class\":\"key-access\",\"decision\":\"evict\"}\n"
      "{\"class\":\"combined-evidence\",\"outcome\":\"succeeded\"}\n"));
  cr_assert(records.has_value());
  cr_assert_eq(records->size(), 1);
  const IncidentRecord& one = records->front();
  cr_assert_eq(one.detection.detection, policy::DetectionClass::key_access);
  cr_assert_eq(one.detection.boottime_ns, 5);
  cr_assert(one.detection.privileged);
  cr_assert_eq(one.detection.subject.at("pid"), "7");
  cr_assert_eq(one.recorded, policy::Grade::critical);
  cr_assert_eq(one.node, "a");
  cr_assert_eq(one.asr, "00aa");
}

Test(incident_file, what_its_grade_came_of) {
  const test::TemporaryFolder folder;
  const auto records = read_incident(folder.write(
      "a.jsonl",
      R"({"class":"bpf-tampering","grade":"evidence","outcome":"refused","boottime_ns":5,"weight":"evidence",)"
      R"("privileged":"yes","subject":{"uid":"990"}})"
      "\n"
      R"({"event":"report-received","class":"bpf-tampering","grade":"evidence","outcome":"succeeded","boottime_ns":5})"
      "\n"));
  cr_assert_eq(records->size(), 2);
  cr_assert_eq(records->at(0).detection.at_most, policy::Grade::evidence);
  cr_assert(records->at(0).detection.privileged, "the daemon's own user, say");
  cr_assert_eq(records->at(1).detection.at_most, policy::Grade::evidence);
  cr_assert(error_of(R"({"class":"x","outcome":"refused"})").contains("no such class"));
  cr_assert(
      error_of(
          R"({"class":"key-access","outcome":"refused","grade":"evidence","boottime_ns":1,"weight":"y"})")
          .contains("weight must be"));
}

Test(incident_file, what_is_wrong_is_named_by_its_line) {
  cr_assert_eq(error_of("\nno json\n"), "incident.jsonl:2: not a JSON object");
  cr_assert_eq(error_of(R"({"class":"x","outcome":"refused"})"), "incident.jsonl:1: no such class: x");
  cr_assert(error_of(R"({"class":"key-access","outcome":"won"})").contains("outcome must be"));
  cr_assert(
      error_of(R"({"class":"key-access","outcome":"refused","grade":"evidence"})").contains("boottime_ns"));
  cr_assert_not(read_incident("/nonexistent").has_value());
}
