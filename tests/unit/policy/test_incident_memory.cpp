#include "daemon/policy/incident_memory.h"

#include <criterion/criterion.h>

using namespace akm::policy;

Test(incident_memory, one_incident_is_one_record) {
  Detection one;
  one.boottime_ns = 5;
  one.subject = {{"pid", "1"}};
  Detection other = one;
  IncidentMemory memory;
  memory.add(incident_of(one));
  cr_assert(memory.contains(incident_of(other)));
  other.subject["pid"] = "2";
  cr_assert_not(memory.contains(incident_of(other)));
  other = one;
  other.boottime_ns = 6;
  cr_assert_not(memory.contains(incident_of(other)));
}

Test(incident_memory, the_oldest_is_forgotten_first) {
  IncidentMemory memory;
  const auto nth = [](std::size_t i) { return IncidentId{.boottime_ns = static_cast<std::int64_t>(i)}; };
  for (std::size_t i = 0; i <= kIncidentsRemembered; ++i) memory.add(nth(i));
  cr_assert_not(memory.contains(nth(0)));
  cr_assert(memory.contains(nth(1)));
  cr_assert(memory.contains(nth(kIncidentsRemembered)));
}
