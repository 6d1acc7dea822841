// daemon/store/config_prune.cpp: a history that begins at a checkpoint.
#include "tests/unit/store/database_suite.h"

using namespace akm;
using namespace akm::store;
using namespace akm::test;

namespace {

constexpr auto kNode = RecordKind::node;

// Six changes: node 1 made (1), node 2 made (2), node 1 changed (3) and removed (4), node 3 made (5) and
// changed (6).
void write_history(ConfigDatabase& database) {
  set(database, kNode, 1, {{"name", "a"}});
  set(database, kNode, 2, {{"name", "b"}});
  set(database, kNode, 1, {{"name", "c"}});
  remove(database, kNode, 1);
  set(database, kNode, 3, {{"name", "d"}});
  set(database, kNode, 3, {{"name", "e"}});
}

std::vector<std::uint64_t> revisions(ConfigDatabase& database) {
  const auto rows = database.history();
  std::vector<std::uint64_t> out;
  for (const Change& row : *rows) out.push_back(row.revision);
  return out;
}

void refused_at_open(DatabaseBench& bench) {
  const auto opened = bench.try_open();
  cr_assert(!opened, "the database opens although it was altered");
  cr_assert(opened.error().code == Errc::state_corrupt);
}

}  // namespace

DATABASE_TEST(config_prune, what_made_the_records_stays_and_the_rest_is_verified_on) {
  HistoryHead head;
  {
    const auto database = bench.open();
    write_history(*database);
    head = database->head();
    cr_assert_eq(*database->prune(4, "uid 0"), 3U, "2 made node 2 what it is");
    cr_assert_eq(database->pruned_to(), 4U);
    cr_assert(database->head() == head, "the chain is the same");
  }
  {
    const auto database = bench.open(head);
    cr_assert_eq(database->pruned_to(), 4U);
    cr_assert(database->head() == head);
    cr_assert(revisions(*database) == (std::vector<std::uint64_t>{2, 5, 6}));
    cr_assert(database->get(kNode, 2)->fields == (Fields{{"name", "b"}}));
    set(*database, kNode, 2, {{"name", "f"}});
    cr_assert_eq(*database->prune(6, "uid 0"), 2U, "2 and 5");
  }
  const auto again = bench.open();
  cr_assert(revisions(*again) == (std::vector<std::uint64_t>{6, 7}));
}

DATABASE_TEST(config_prune, nothing_goes_back_to_before_it) {
  const auto database = bench.open();
  write_history(*database);
  cr_assert(database->prune(4, "uid 0").has_value());
  cr_assert(database->diff(3, 6).error().code == Errc::not_found);
  cr_assert(database->rollback(3, "uid 0").error().code == Errc::not_found);
  cr_assert_eq(database->diff(4, 6)->size(), 1U);
  cr_assert_eq(*database->rollback(4, "uid 0"), 7U, "to the checkpoint itself");
  cr_assert(!database->get(kNode, 3));
  cr_assert_eq(*database->prune(2, "uid 0"), 0U, "that is gone already");
}

DATABASE_TEST(config_prune, the_newest_change_stays) {
  const auto database = bench.open();
  cr_assert(database->prune(1, "uid 0").error().code == Errc::invalid_argument);
  write_history(*database);
  for (const std::uint64_t revision : {0U, 6U, 7U})
    cr_assert(database->prune(revision, "uid 0").error().code == Errc::invalid_argument);
  cr_assert(database->prune(3, "").error().code == Errc::invalid_argument);
  cr_assert_eq(revisions(*database).size(), 6U);
}

DATABASE_TEST(config_prune, what_it_left_cannot_be_altered) {
  {
    const auto database = bench.open();
    write_history(*database);
    cr_assert(database->prune(4, "uid 0").has_value());
  }
  bench.tamper("UPDATE history SET who = 'nobody' WHERE revision = 2");
  refused_at_open(bench);
  bench.tamper("UPDATE history SET who = 'uid 0 (root)' WHERE revision = 2");
  cr_assert(bench.open() != nullptr, "as it was");
  bench.tamper("UPDATE meta SET name = 'gone' WHERE name = 'checkpoint'");
  refused_at_open(bench);
  bench.tamper("UPDATE meta SET name = 'checkpoint' WHERE name = 'gone'");
  bench.tamper("DELETE FROM history WHERE revision = 5");
  refused_at_open(bench);
}

// SQLite's file is this process's alone while it is open.
Test(config_prune, what_was_altered_meanwhile_is_not_blessed_by_it) {
  PostgresServer* server = shared_server();
  if (server == nullptr) cr_skip_test("%s", kNoPostgres);
  PostgresqlBench bench(*server);
  const auto database = bench.open();
  write_history(*database);
  server->sql("UPDATE akm.history SET who = 'nobody' WHERE revision = 2");
  const auto pruned = database->prune(4, "uid 0");
  cr_assert(!pruned && pruned.error().code == Errc::state_corrupt);
  cr_assert_eq(database->pruned_to(), 0U);
  cr_assert_eq(revisions(*database).size(), 6U);
}

DATABASE_TEST(config_prune, an_older_database_is_found_all_the_same) {
  HistoryHead newest;
  {
    const auto database = bench.open();
    write_history(*database);
    cr_assert(database->prune(4, "uid 0").has_value());
    newest = database->head();
    ++newest.revision;
  }
  const auto opened = bench.try_open(newest);
  cr_assert(!opened && opened.error().code == Errc::state_corrupt);
  HistoryHead before{3, {}, 0};
  cr_assert(bench.try_open(before).has_value(), "a crash came between a change, its pruning and its note");
}
