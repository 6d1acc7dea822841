#include "daemon/service/audit_reading.h"

#include "tests/unit/store/audit_bench.h"

using namespace akm;
using namespace akm::service;
using namespace akm::test;

namespace {

void add(AuditBench& bench, std::uint64_t incident, const std::string& name,
         std::map<std::string, std::string> fields = {}) {
  AuditRecord record = audit_event(name);
  record.incident = incident;
  record.fields = std::move(fields);
  cr_assert(bench.log->append(std::move(record)).has_value());
}

}  // namespace

Test(audit_reading, pages_follow_each_other) {
  AuditBench bench;
  bench.limits = {.file_bytes = 65536, .files = 50};
  bench.open();
  bench.add(600);
  std::uint64_t after = 0;
  std::size_t pages = 0;
  for (;;) {
    const auto page = read_records(bench.folder, after, 1000, 0);
    cr_assert(page.has_value());
    if (page->empty()) break;
    cr_assert_leq(page->size(), kAuditPage);
    cr_assert_eq(page->front().number, after + 1);
    after = page->back().number;
    ++pages;
  }
  cr_assert_eq(after, 600);
  cr_assert_eq(pages, 3);
  cr_assert(read_records(bench.folder + "x", 0, 1, 0).error().code == Errc::not_found);
}

Test(audit_reading, an_incident_is_told_apart_and_summed_up) {
  AuditBench bench;
  bench.open();
  add(bench, 7, "evidence-detected", {{"class", "key-access"}, {"grade", "evidence"}});
  add(bench, 0, "state-changed");
  add(bench, 8, "evidence-detected", {{"class", "process-access"}, {"grade", "evidence"}, {"node", "b"}});
  add(bench, 7, "breach-detected", {{"class", "process-access"}, {"grade", "critical"}});
  add(bench, 7, "keys-revoked");
  const auto records = read_records(bench.folder, 0, 100, 7);
  cr_assert_eq(records->size(), 3);
  const auto incidents = read_incidents(bench.folder, 0, 100);
  cr_assert_eq(incidents->size(), 2);
  const IncidentSummary& first = incidents->front();
  cr_assert(first.id == 7 && first.first == 1 && first.last == 5 && first.records == 3);
  cr_assert_eq(first.detection, "key-access");
  cr_assert_eq(first.grade, "critical");
  cr_assert_eq(first.state, "keys-revoked");
  cr_assert_eq(incidents->back().node, "b");
  cr_assert_eq(read_incidents(bench.folder, 1, 100)->size(), 1);
  cr_assert_eq(read_incidents(bench.folder, 0, 1)->size(), 1);
}
