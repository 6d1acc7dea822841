#pragma once
// One suite for both kinds of database: DATABASE_TEST(suite, name) is run over SQLite and over PostgreSQL.
#include <criterion/criterion.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "daemon/store/config_database.h"
#include "daemon/store/postgresql_session.h"
#include "daemon/store/sql_session.h"
#include "daemon/store/sqlite_session.h"
#include "tests/support/postgres_server.h"
#include "tests/support/seeded_random.h"
#include "tests/support/temporary_folder.h"

namespace akm::test {

/// The server that all tests of this program share; made before the first; null where there is none.
PostgresServer* shared_server();

inline SecretBytes<32> database_key(std::uint8_t value = 0x42) {
  SecretBytes<32> key;
  std::ranges::fill(key.reveal_mutable(), value);
  return key;
}

/// Where a database lies, apart from whether it is open.
class DatabaseBench {
 public:
  virtual ~DatabaseBench() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<store::SqlSession>> session() = 0;
  /// Alters rows behind the back of the Root, which does not have the database open.
  virtual void tamper(const std::string& statement) {
    auto tool = session();
    cr_assert(tool.has_value());
    const auto done = (*tool)->run(statement);
    cr_assert(done.has_value(), "%s", done ? "" : done.error().message().c_str());
  }

  Result<std::unique_ptr<store::ConfigDatabase>> try_open(const std::optional<store::HistoryHead>& known = {},
                                                          std::uint8_t key = 0x42) {
    auto made = session();
    if (!made) return std::unexpected(made.error());
    return store::ConfigDatabase::open(std::move(*made), database_key(key), random_, known);
  }
  std::unique_ptr<store::ConfigDatabase> open(const std::optional<store::HistoryHead>& known = {}) {
    auto opened = try_open(known);
    cr_assert(opened.has_value(), "%s", opened ? "" : opened.error().message().c_str());
    return std::move(*opened);
  }

 private:
  SystemRandom random_;
};

class SqliteBench final : public DatabaseBench {
 public:
  Result<std::unique_ptr<store::SqlSession>> session() override { return store::open_sqlite(path()); }
  [[nodiscard]] std::string path() const { return folder_.file("root.db"); }

 private:
  TemporaryFolder folder_;
};

class PostgresqlBench final : public DatabaseBench {
 public:
  explicit PostgresqlBench(PostgresServer& server, std::uint32_t reconnect_ms = 10'000)
      : server_(server), reconnect_ms_(reconnect_ms) {
    server_.sql("DROP SCHEMA IF EXISTS akm CASCADE");
  }
  Result<std::unique_ptr<store::SqlSession>> session() override {
    return store::open_postgresql({.conninfo = server_.conninfo(), .reconnect_ms = reconnect_ms_});
  }
  PostgresServer& server() { return server_; }

 private:
  PostgresServer& server_;
  std::uint32_t reconnect_ms_;
};

inline void set(store::ConfigDatabase& database, store::RecordKind kind, std::uint64_t id,
                store::Fields fields, std::string_view who = "uid 0 (root)") {
  const store::Edit edit{kind, id, std::move(fields), {}};
  const auto done = database.apply(std::span(&edit, 1), who);
  cr_assert(done.has_value(), "%s", done ? "" : done.error().message().c_str());
}
inline void remove(store::ConfigDatabase& database, store::RecordKind kind, std::uint64_t id) {
  const store::Edit edit{kind, id, std::nullopt, {}};
  cr_assert(database.apply(std::span(&edit, 1), "uid 0 (root)").has_value());
}

// NOLINTBEGIN(bugprone-macro-parentheses): names, not expressions
#define DATABASE_TEST(suite, name)                                     \
  static void suite##_##name(akm::test::DatabaseBench& bench);         \
  Test(suite, name##_sqlite) {                                         \
    akm::test::SqliteBench bench;                                      \
    suite##_##name(bench);                                             \
  }                                                                    \
  Test(suite, name##_postgresql) {                                     \
    akm::test::PostgresServer* server = akm::test::shared_server();    \
    if (server == nullptr) cr_skip_test("%s", akm::test::kNoPostgres); \
    akm::test::PostgresqlBench bench(*server);                         \
    suite##_##name(bench);                                             \
  }                                                                    \
  static void suite##_##name(akm::test::DatabaseBench& bench)
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace akm::test
