#include "daemon/policy/catalogue.h"

#include <criterion/criterion.h>

#include <set>
#include <string>

using namespace akm::policy;

Test(catalogue, every_row_of_the_table_is_there) {
  std::set<std::string_view> rows;
  for (const CatalogueEntry& entry : kCatalogue) rows.insert(entry.row);
  for (int row = 1; row <= 33; ++row) cr_assert(rows.contains("D" + std::to_string(row)), "D%d", row);
  cr_assert(rows.contains("combination"));
  cr_assert_eq(rows.size(), 34);
}

Test(catalogue, every_entry_says_what_it_is) {
  for (const CatalogueEntry& entry : kCatalogue) {
    cr_assert(entry.attack.starts_with("T1"));
    cr_assert_not(entry.catches.empty());
    cr_assert_eq(detection_name(entry.detection), entry.name);
  }
}

// What a stranger can cause costs nobody anything: frames from outside, and what honest programs do all day.
Test(catalogue, what_anybody_can_cause_is_observed_only) {
  for (const DetectionClass detection :
       {DetectionClass::forged_frames, DetectionClass::network_scan, DetectionClass::clock_jump,
        DetectionClass::debugger_started, DetectionClass::privilege_gain}) {
    cr_assert_eq(entry_of(detection).ceiling, Grade::observe);
  }
}
