#include "tests/unit/store/database_suite.h"

using namespace akm;
using namespace akm::store;
using namespace akm::test;

namespace {

ReportRow node(std::uint64_t nmm, std::uint64_t id, std::uint64_t sequence, const std::string& state) {
  return {nmm, RecordKind::node, id, sequence, 5, {{"state", state}}};
}
IncidentRow incident(std::uint64_t nmm, std::uint64_t sequence) {
  return {0, nmm, sequence, 7, "breach-detected", 2, 0xb1, 0, {{"class", "debugger"}}};
}

}  // namespace

DATABASE_TEST(config_reports, the_last_word_counts) {
  const auto database = bench.open();
  const std::array first{node(1, 10, 1, "active"), node(1, 11, 1, "active"), node(2, 10, 1, "silent")};
  cr_assert(database->put_reports(first).has_value());
  const std::array second{node(1, 10, 3, "silent"), node(1, 10, 2, "late"), node(1, 11, 1, "again")};
  cr_assert(database->put_reports(second).has_value());
  const auto rows = database->reports(RecordKind::node, 1);
  cr_assert(rows.has_value());
  cr_assert(*rows == (std::vector{node(1, 10, 3, "silent"), node(1, 11, 1, "active")}));
  cr_assert_eq(database->reports(RecordKind::node)->size(), 3);
  const auto page = database->reports(RecordKind::node, 0, 1, 10, 1);
  cr_assert(*page == (std::vector{node(1, 11, 1, "active")}));
  cr_assert(database->reports(RecordKind::asr)->empty());
}

DATABASE_TEST(config_reports, an_incident_is_stored_once) {
  {
    const auto database = bench.open();
    const std::array first{incident(1, 1), incident(2, 1), incident(1, 2)};
    cr_assert(database->put_incidents(first).has_value());
    const std::array again{incident(1, 2), incident(1, 3)};
    cr_assert(database->put_incidents(again).has_value());
  }
  const auto database = bench.open();
  const auto all = database->incidents();
  cr_assert(all.has_value());
  cr_assert_eq(all->size(), 4);
  for (std::size_t i = 0; i < all->size(); ++i) cr_assert_eq((*all)[i].number, i + 1);
  IncidentRow expected = incident(1, 3);
  expected.number = 4;
  cr_assert(all->back() == expected);
  cr_assert_eq(database->incidents(0, kPageMax, 2)->size(), 1);
  cr_assert_eq(database->incidents(1, 2)->front().number, 2);
}

DATABASE_TEST(config_reports, the_oldest_incidents_go) {
  {
    const std::array first{incident(1, 1), incident(1, 2)};
    cr_assert(bench.open()->put_incidents(first).has_value());
  }
  bench.tamper("UPDATE incident SET number = 100000 WHERE number = 2");
  const auto database = bench.open();
  const IncidentRow third = incident(1, 3);
  cr_assert(database->put_incidents(std::span(&third, 1)).has_value());
  const auto left = database->incidents();
  cr_assert_eq(left->size(), 2);
  cr_assert_eq(left->front().number, kIncidentsMax);
}

DATABASE_TEST(config_reports, refuse_what_is_out_of_bounds) {
  const auto database = bench.open();
  const ReportRow far = node(1, 1, ~std::uint64_t{0}, "x");
  cr_assert(!database->put_reports(std::span(&far, 1)));
  IncidentRow unnamed = incident(1, 1);
  unnamed.name.clear();
  cr_assert(!database->put_incidents(std::span(&unnamed, 1)));
  cr_assert(database->incidents()->empty());
}
