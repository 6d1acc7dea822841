#include "daemon/store/postgresql_session.h"

#include <criterion/criterion.h>

#include <thread>

#include "tests/unit/store/database_suite.h"

using namespace akm;
using namespace akm::store;
using namespace akm::test;

namespace {

// A server of the test's own, since it is stopped.
std::unique_ptr<PostgresServer> own_server() {
  if (postgres_programs().empty()) cr_skip_test("%s", kNoPostgres);
  return std::make_unique<PostgresServer>();
}

}  // namespace

Test(postgresql_session, values_come_back_as_they_were) {
  if (shared_server() == nullptr) cr_skip_test("%s", kNoPostgres);
  PostgresqlBench bench(*shared_server());
  const auto session = bench.session();
  cr_assert((*session)->run("CREATE TABLE t (a BIGINT, b TEXT, c BYTEA, d BYTEA, e INTEGER)").has_value());
  cr_assert(
      (*session)
          ->run("INSERT INTO t VALUES ($1, $2, $3, $4, $5)",
                {std::int64_t{-5}, std::string("\xc3\xb6"), SqlBytes{0, 1}, SqlBytes{}, std::int64_t{-7}})
          .has_value());
  const auto rows = (*session)->run("SELECT a, b, c, d, e, a < 0, NULL FROM t");
  const SqlRow expected{std::int64_t{-5}, std::string("\xc3\xb6"), SqlBytes{0, 1},  SqlBytes{},
                        std::int64_t{-7}, std::int64_t{1},         std::monostate{}};
  cr_assert(rows->at(0) == expected);
}

Test(postgresql_session, a_restart_in_the_middle_is_survived) {
  const auto server = own_server();
  PostgresqlBench bench(*server, 60'000);
  {
    const auto database = bench.open();
    set(*database, RecordKind::node, 1, {{"name", "a"}});
    server->stop();
    server->start();
    set(*database, RecordKind::node, 2, {{"name", "b"}});
    cr_assert_eq(database->list(RecordKind::node)->size(), 2);
    server->kill();
    // Comes back while the call goes on trying.
    const Edit third{RecordKind::node, 3, Fields{}, {}};
    Result<std::uint64_t> applied = fail(Errc::internal);
    std::jthread caller([&] { applied = database->apply(std::span(&third, 1), "uid 0"); });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    server->start();
    caller.join();
    cr_assert(applied.has_value(), "%s", applied ? "" : applied.error().message().c_str());
    server->kill();
    server->start();
    cr_assert_eq(database->list(RecordKind::node)->size(), 3);
  }
  cr_assert_eq(bench.open()->head().revision, 3);
}

Test(postgresql_session, a_server_that_stays_away_is_said_and_then_found_again) {
  const auto server = own_server();
  SystemRandom random;
  auto session = open_postgresql({.conninfo = server->conninfo(), .reconnect_ms = 200});
  cr_assert(session.has_value());
  const auto database = ConfigDatabase::open(std::move(*session), database_key(), random);
  cr_assert(database.has_value());
  server->stop();
  const auto away = (*database)->list(RecordKind::node);
  cr_assert(away.error().code == Errc::unreachable, "%s", away.error().message().c_str());
  server->start();
  set(**database, RecordKind::node, 1, {});
  cr_assert_eq((*database)->head().revision, 1);
}

Test(postgresql_session, a_statement_that_takes_too_long_is_ended) {
  if (shared_server() == nullptr) cr_skip_test("%s", kNoPostgres);
  const auto session =
      open_postgresql({.conninfo = shared_server()->conninfo(), .statement_timeout_ms = 5000});
  cr_assert((*session)->run("SELECT pg_sleep(60)").error().code == Errc::timed_out);
  cr_assert((*session)->run("SELECT 1").has_value());
}

Test(postgresql_session, another_writer_is_noticed) {
  if (shared_server() == nullptr) cr_skip_test("%s", kNoPostgres);
  PostgresqlBench bench(*shared_server());
  const auto database = bench.open();
  set(*database, RecordKind::node, 1, {{"name", "a"}});
  cr_assert(bench.server().sql("DELETE FROM akm.record; DELETE FROM akm.history").find("ERROR") ==
            std::string::npos);
  const Edit edit{RecordKind::node, 2, Fields{}, {}};
  cr_assert(database->apply(std::span(&edit, 1), "uid 0").error().code == Errc::state_corrupt);
}

Test(postgresql_session, a_password_is_never_shown) {
  const auto unreachable =
      open_postgresql({.conninfo = "host=/nowhere dbname=akm user=akm password=hunter2"});
  cr_assert(unreachable.error().code == Errc::unreachable);
  cr_assert(unreachable.error().message().find("hunter2") == std::string::npos);
  const auto malformed = open_postgresql({.conninfo = "host=/nowhere hunter2"});
  cr_assert(malformed.error().code == Errc::config_invalid);
  cr_assert(malformed.error().message().find("hunter2") == std::string::npos);
  const auto uri = open_postgresql({.conninfo = "postgresql://akm:hunter2@%2Fnowhere/akm"});
  cr_assert(uri.error().message().find("hunter2") == std::string::npos);
}

Test(postgresql_session, a_database_that_is_full_or_read_only_is_said) {
  if (shared_server() == nullptr) cr_skip_test("%s", kNoPostgres);
  PostgresqlBench bench(*shared_server());
  const auto session = bench.session();
  cr_assert((*session)->run("SET default_transaction_read_only = on").has_value());
  cr_assert((*session)->run("CREATE TABLE t (a BIGINT)").error().code == Errc::read_only);
}
