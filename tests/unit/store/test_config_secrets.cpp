#include "tests/unit/store/database_suite.h"

using namespace akm;
using namespace akm::store;
using namespace akm::test;

namespace {

const SecretName kFirst{RecordKind::nmm, 0xa1, "prs-1"};
const SecretName kSecond{RecordKind::nmm, 0xa2, "prs-1"};
const std::vector<std::uint8_t> kOne(64, 0x11);
const std::vector<std::uint8_t> kTwo(64, 0x22);

void put(ConfigDatabase& database, const SecretName& name, const std::vector<std::uint8_t>& secret) {
  const Status done = database.put_secret(name, secret);
  cr_assert(done.has_value(), "%s", done ? "" : done.error().message().c_str());
}
bool holds(ConfigDatabase& database, const SecretName& name, const std::vector<std::uint8_t>& expected) {
  const auto found = database.secret(name);
  return found && std::ranges::equal(found->reveal(), expected);
}

}  // namespace

DATABASE_TEST(config_secrets, are_there_after_a_restart) {
  {
    const auto database = bench.open();
    put(*database, kFirst, kOne);
    put(*database, kSecond, kTwo);
    put(*database, kFirst, kTwo);
    cr_assert(holds(*database, kFirst, kTwo));
  }
  const auto database = bench.open();
  cr_assert(holds(*database, kFirst, kTwo));
  cr_assert_eq(database->head().secrets_written, 3);
  cr_assert(database->remove_secret(kFirst).has_value());
  cr_assert(database->remove_secret(kFirst).has_value(), "a missing one is no error");
  cr_assert(database->secret(kFirst).error().code == Errc::not_found);
  cr_assert(holds(*database, kSecond, kTwo));
}

DATABASE_TEST(config_secrets, are_not_in_the_rows) {
  {
    const auto database = bench.open();
    put(*database, kFirst, kOne);
  }
  auto session = bench.session();
  const auto rows = (*session)->run("SELECT sealed FROM secret");
  cr_assert_eq(rows->size(), 1);
  const auto sealed = sql_bytes((*rows)[0][0]);
  cr_assert(std::ranges::search(sealed, std::span(kOne).first(8)).empty());
}

DATABASE_TEST(config_secrets, come_with_a_record_or_not_at_all) {
  const auto database = bench.open();
  const Edit edit{RecordKind::nmm, 0xa1, Fields{{"serial", "1"}}, std::uint64_t{0}};
  cr_assert_eq(*database->apply_with_secret(std::span(&edit, 1), "uid 0", kFirst, kOne), 1);
  cr_assert(database->apply_with_secret(std::span(&edit, 1), "uid 0", kFirst, kTwo).error().code ==
            Errc::busy);
  cr_assert(holds(*database, kFirst, kOne));
  cr_assert_eq(database->head().secrets_written, 1);
}

DATABASE_TEST(config_secrets, that_were_swapped_do_not_open) {
  {
    const auto database = bench.open();
    put(*database, kFirst, kOne);
    put(*database, kSecond, kTwo);
  }
  bench.tamper(
      "UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE id = '00000000000000a2')"
      " WHERE id = '00000000000000a1'");
  const auto database = bench.open();
  cr_assert(database->secret(kFirst).error().code == Errc::state_corrupt);
  cr_assert(holds(*database, kSecond, kTwo));
}

DATABASE_TEST(config_secrets, that_were_put_back_do_not_open) {
  {
    const auto database = bench.open();
    put(*database, kFirst, kOne);
  }
  bench.tamper("CREATE TABLE aside AS SELECT * FROM secret");
  put(*bench.open(), kFirst, kTwo);
  bench.tamper("UPDATE secret SET sealed = (SELECT sealed FROM aside)");
  cr_assert(bench.open()->secret(kFirst).error().code == Errc::state_corrupt);
  // With the number of its writing too, the list of secrets does not fit.
  bench.tamper("UPDATE secret SET number = 1");
  cr_assert(bench.try_open().error().code == Errc::state_corrupt);
}

DATABASE_TEST(config_secrets, that_were_all_put_back_are_found_by_the_head) {
  put(*bench.open(), kFirst, kOne);
  bench.tamper("CREATE TABLE secrets_aside AS SELECT * FROM secret");
  bench.tamper("CREATE TABLE meta_aside AS SELECT * FROM meta");
  HistoryHead head;
  {
    const auto database = bench.open();
    put(*database, kFirst, kTwo);
    head = database->head();
  }
  bench.open(head);
  bench.tamper("DELETE FROM secret");
  bench.tamper("INSERT INTO secret SELECT * FROM secrets_aside");
  bench.tamper(
      "UPDATE meta SET value = (SELECT value FROM meta_aside WHERE name = 'secrets') WHERE name = 'secrets'");
  cr_assert(bench.try_open(head).error().code == Errc::state_corrupt);
}

DATABASE_TEST(config_secrets, refuse_what_is_out_of_bounds) {
  const auto database = bench.open();
  cr_assert(!database->put_secret({RecordKind::nmm, 1, ""}, kOne));
  cr_assert(!database->put_secret({RecordKind::nmm, 1, "A"}, kOne));
  const std::vector<std::uint8_t> large(kSecretBytesMax + 1);
  cr_assert(database->put_secret(kFirst, large).error().code == Errc::too_large);
}

DATABASE_TEST(config_secrets, that_were_taken_away_are_missed) {
  put(*bench.open(), kFirst, kOne);
  bench.tamper("DELETE FROM secret");
  cr_assert(bench.try_open().error().code == Errc::state_corrupt);
}

DATABASE_TEST(config_secrets, whose_list_was_shortened_are_missed) {
  put(*bench.open(), kFirst, kOne);
  bench.tamper("UPDATE meta SET value = substr(value, 1, 3) WHERE name = 'secrets'");
  cr_assert(bench.try_open().error().code == Errc::state_corrupt);
}

// SQLite's file is ours alone while it is open.
Test(config_secrets, whose_list_is_shortened_meanwhile_take_no_change) {
  PostgresServer* server = shared_server();
  if (server == nullptr) cr_skip_test("%s", kNoPostgres);
  PostgresqlBench bench(*server);
  const auto database = bench.open();
  put(*database, kFirst, kOne);
  const auto answer = server->sql("UPDATE akm.meta SET value = substr(value, 1, 3) WHERE name = 'secrets'");
  cr_assert(answer.contains("UPDATE 1"), "%s", answer.c_str());
  cr_assert(database->put_secret(kFirst, kTwo).error().code == Errc::state_corrupt);
}
