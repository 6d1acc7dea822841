#include "tests/unit/store/database_suite.h"

using namespace akm;
using namespace akm::store;
using namespace akm::test;

namespace {

// node 1: made, renamed, removed; node 2: made
void write_history(ConfigDatabase& database) {
  set(database, RecordKind::node, 1, {{"name", "a"}, {"nmm", "1"}}, "uid 1000 (alice)");
  set(database, RecordKind::node, 2, {{"name", "b"}}, "uid 1001 (bob)");
  set(database, RecordKind::node, 1, {{"name", "c"}, {"site", "x"}}, "nmm 00000000000000aa");
  remove(database, RecordKind::node, 1);
}

void refused_at_open(DatabaseBench& bench, const std::optional<HistoryHead>& known = {}) {
  const auto opened = bench.try_open(known);
  cr_assert(!opened, "the database opens although it was altered");
  cr_assert(opened.error().code == Errc::state_corrupt, "%s", opened.error().message().c_str());
}

}  // namespace

DATABASE_TEST(config_history, tells_who_changed_what) {
  write_history(*bench.open());
  const auto database = bench.open();
  const auto rows = database->history();
  cr_assert(rows.has_value());
  cr_assert_eq(rows->size(), 4);
  const Change& third = (*rows)[2];
  cr_assert_eq(third.revision, 3);
  cr_assert(third.who == "nmm 00000000000000aa");
  cr_assert(third.unix_ns > 0);
  cr_assert(third.kind == RecordKind::node && third.id == 1);
  cr_assert(third.before == (Fields{{"name", "a"}, {"nmm", "1"}}));
  cr_assert(third.after == (Fields{{"name", "c"}, {"site", "x"}}));
  cr_assert(!(*rows)[0].before.has_value());
  cr_assert(!(*rows)[3].after.has_value());
  const auto page = database->history(2, 1);
  cr_assert_eq(page->size(), 1);
  cr_assert((*page)[0] == third);
}

DATABASE_TEST(config_history, a_difference_is_told_by_field) {
  const auto database = bench.open();
  write_history(*database);
  using Differences = std::vector<FieldDifference>;
  constexpr auto kNode = RecordKind::node;
  cr_assert(*database->diff(1, 3) == (Differences{{kNode, 1, "name", "a", "c"},
                                                  {kNode, 1, "nmm", "1", {}},
                                                  {kNode, 1, "site", {}, "x"},
                                                  {kNode, 2, "name", {}, "b"}}));
  cr_assert(
      *database->diff(3, 2) ==
      (Differences{{kNode, 1, "name", "c", "a"}, {kNode, 1, "nmm", {}, "1"}, {kNode, 1, "site", "x", {}}}));
  cr_assert(*database->diff(0, 4) == (Differences{{kNode, 2, "name", {}, "b"}}));
  cr_assert(database->diff(2, 2)->empty());
  cr_assert(database->diff(0, 5).error().code == Errc::not_found);
}

DATABASE_TEST(config_history, a_rollback_is_a_new_change) {
  const auto database = bench.open();
  write_history(*database);
  set(*database, RecordKind::nmm, 9, {{"name", "late"}});
  cr_assert_eq(*database->rollback(2, "uid 0 (root)"), 7);
  cr_assert(database->get(RecordKind::node, 1)->fields == (Fields{{"name", "a"}, {"nmm", "1"}}));
  cr_assert(database->get(RecordKind::node, 2)->fields == (Fields{{"name", "b"}}));
  cr_assert(!database->get(RecordKind::nmm, 9));
  const auto rows = database->history(5);
  cr_assert_eq(rows->size(), 2);
  for (const Change& row : *rows) cr_assert_eq(row.rollback_to, 2);
  cr_assert(database->diff(2, 7)->empty());
  cr_assert_eq(*database->rollback(5, "uid 0 (root)"), 9, "the way back is a rollback too");
  cr_assert(database->get(RecordKind::nmm, 9)->fields == (Fields{{"name", "late"}}));
  cr_assert(database->rollback(10, "uid 0 (root)").error().code == Errc::not_found);
}

DATABASE_TEST(config_history, a_rollback_leaves_what_is_to_be_kept) {
  const auto database = bench.open();
  set(*database, RecordKind::node, 1, {{"name", "a"}});
  set(*database, RecordKind::nmm, 2, {{"serial", "3"}});
  cr_assert(
      database->rollback(0, "uid 0", [](RecordKind kind, std::uint64_t) { return kind == RecordKind::nmm; })
          .has_value());
  cr_assert(!database->get(RecordKind::node, 1));
  cr_assert(database->get(RecordKind::nmm, 2).has_value());
}

DATABASE_TEST(config_history, an_altered_row_is_found) {
  write_history(*bench.open());
  bench.tamper("UPDATE history SET who = 'uid 1 (nobody)' WHERE revision = 2");
  refused_at_open(bench);
}

DATABASE_TEST(config_history, a_missing_row_is_found) {
  write_history(*bench.open());
  bench.tamper("DELETE FROM history WHERE revision = 3");
  refused_at_open(bench);
}

DATABASE_TEST(config_history, an_altered_record_is_found) {
  write_history(*bench.open());
  bench.tamper("UPDATE record SET body = '{\"name\":\"evil\"}'");
  refused_at_open(bench);
}

DATABASE_TEST(config_history, a_removed_record_is_found) {
  write_history(*bench.open());
  bench.tamper("DELETE FROM record");
  refused_at_open(bench);
}

DATABASE_TEST(config_history, a_record_put_back_is_found) {
  write_history(*bench.open());
  bench.tamper(
      "INSERT INTO record (kind, id, revision, body) SELECT kind, id, revision, became FROM history"
      " WHERE revision = 3");
  refused_at_open(bench);
}

DATABASE_TEST(config_history, another_roots_database_is_found) {
  write_history(*bench.open());
  cr_assert(bench.try_open({}, 0x43).error().code == Errc::state_corrupt);
}

DATABASE_TEST(config_history, an_older_database_is_found_by_the_head) {
  HistoryHead early;
  HistoryHead late;
  {
    const auto database = bench.open();
    set(*database, RecordKind::node, 1, {{"name", "a"}});
    early = database->head();
    set(*database, RecordKind::node, 2, {{"name", "b"}});
    late = database->head();
  }
  bench.open(early);
  bench.open(late);
  bench.tamper("DELETE FROM record WHERE revision = 2");
  bench.tamper("DELETE FROM history WHERE revision = 2");
  bench.open(early);  // authentic in itself
  refused_at_open(bench, late);
  set(*bench.open(), RecordKind::node, 2, {{"name", "another course"}});
  refused_at_open(bench, late);
}

DATABASE_TEST(config_history, long_ones_are_verified_in_pages) {
  {
    const auto database = bench.open();
    std::vector<Edit> edits;
    for (std::uint64_t id = 1; id <= kPageMax + 5; ++id) {
      edits.push_back(Edit{RecordKind::node, id, Fields{{"name", std::to_string(id)}}, {}});
    }
    cr_assert_eq(*database->apply(edits, "uid 0"), edits.size());
  }
  cr_assert_eq(bench.open()->head().revision, kPageMax + 5);
  bench.tamper("UPDATE record SET body = '{}' WHERE revision = 1003");
  refused_at_open(bench);
}
