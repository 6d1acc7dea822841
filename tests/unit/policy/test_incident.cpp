#include "daemon/policy/incident.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::policy;

namespace {

constexpr Instant at(std::int64_t seconds) {
  return Instant{seconds * 1'000'000'000};
}

Detection by(const char* pid, DetectionClass detection = DetectionClass::key_access, std::int64_t ns = 5) {
  Detection out;
  out.detection = detection;
  out.boottime_ns = ns;
  if (pid != nullptr) out.subject = {{"pid", "999"}, {"tgid", pid}};
  return out;
}

}  // namespace

Test(incident, ids_are_those_of_reporter_class_and_time) {
  const std::uint64_t id = incident_id(1, "key-access", 5);
  cr_assert_eq(id, incident_id(1, "key-access", 5));
  cr_assert_neq(id, incident_id(2, "key-access", 5));
  cr_assert_neq(id, incident_id(1, "process-access", 5));
  cr_assert_neq(id, incident_id(1, "key-access", 6));
}

Test(incident, what_one_process_does_is_one_incident) {
  IncidentBook book;
  const std::uint64_t first = book.assign(by("7"), Grade::evidence, 1, at(1));
  cr_assert_eq(first, incident_id(1, "key-access", 5));
  cr_assert_eq(book.assign(by("7", DetectionClass::process_access, 6), Grade::critical, 1, at(30)), first);
  cr_assert_neq(book.assign(by("8"), Grade::evidence, 2, at(30)), first);
  cr_assert_neq(book.assign(by("7", DetectionClass::key_access, 9), Grade::evidence, 1, at(120)), first,
                "much later");
}

Test(incident, without_a_process_the_class_is_the_cause) {
  IncidentBook book;
  const std::uint64_t first = book.assign(by(nullptr), Grade::evidence, 1, at(1));
  cr_assert_eq(book.assign(by(nullptr, DetectionClass::key_access, 7), Grade::evidence, 1, at(2)), first);
  cr_assert_neq(book.assign(by(nullptr, DetectionClass::sensor_impaired), Grade::evidence, 1, at(2)), first);
}

Test(incident, what_anybody_can_cause_opens_none) {
  IncidentBook book;
  cr_assert_eq(book.assign(by("7"), Grade::observe, 1, at(1)), 0);
}

Test(incident, one_that_stands_takes_all_until_some_time_after_the_quarantine) {
  IncidentBook book;
  const std::uint64_t first = book.assign(by("7"), Grade::critical, 1, at(1));
  book.stand(first, at(1));
  cr_assert_eq(book.assign(by("8"), Grade::critical, 1, at(500)), first);
  cr_assert_eq(book.standing(true, at(1000)), first);
  cr_assert_eq(book.standing(false, at(1059)), first);
  cr_assert_eq(book.standing(false, at(1061)), 0);
  cr_assert_neq(book.assign(by("8", DetectionClass::key_access, 77), Grade::critical, 1, at(1062)), first);
}

Test(incident, many_causes_do_not_grow_without_bound) {
  IncidentBook book;
  const std::uint64_t first = book.assign(by("1", DetectionClass::key_access, 1), Grade::evidence, 1, at(1));
  for (std::size_t i = 2; i < 2 + IncidentBook::kOpen; ++i)
    (void)book.assign(by(std::to_string(i).c_str()), Grade::evidence, 1, at(2));
  cr_assert_neq(book.assign(by("1", DetectionClass::key_access, 3), Grade::evidence, 1, at(3)), first,
                "the oldest was forgotten");
}
