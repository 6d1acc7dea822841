#include "daemon/store/postgresql_session.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "daemon/store/sql_state.h"

namespace akm::store {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// "akmrootd" as a number: the advisory lock by which one Root at a time has the database.
constexpr std::int64_t kLock = 0x616b6d726f6f7464;
constexpr milliseconds kFirstPause{50};
constexpr milliseconds kLongestPause{2000};
constexpr milliseconds kLockPatience{2000};
// What pg_type.dat calls them; libpq's headers do not have them.
constexpr Oid kBool = 16;
constexpr Oid kBytea = 17;
constexpr Oid kInt8 = 20;
constexpr Oid kInt4 = 23;

struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, Finish>;
using Answer = std::unique_ptr<PGresult, Clear>;

// host, port and dbname of a connection string; nothing else of it is kept or shown.
Result<std::string> describe(const std::string& conninfo) {
  char* message = nullptr;
  PQconninfoOption* options = PQconninfoParse(conninfo.c_str(), &message);
  PQfreemem(message);  // it quotes the text, and so perhaps the password
  if (options == nullptr) return fail(Errc::config_invalid, "the connection string of PostgreSQL");
  const auto or_default = [options](std::string_view name, const char* standard) {
    const PQconninfoOption* option = options;
    while (option->keyword != nullptr && option->keyword != name) ++option;
    return option->keyword != nullptr && option->val != nullptr ? option->val : standard;
  };
  std::string out = fmt::format("postgresql {}:{} {}", or_default("host", "local"),
                                or_default("port", "5432"), or_default("dbname", "(default)"));
  PQconninfoFree(options);
  return out;
}

// The first line of what libpq says: the further ones quote statements.
std::string first_line(const char* text) {
  const std::string_view all(text);
  return std::string(all.substr(0, all.find('\n')));
}

std::uint64_t big_endian(const char* bytes, std::size_t size) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < size; ++i) out = out << 8U | static_cast<std::uint8_t>(bytes[i]);
  return out;
}

SqlValue value_at(const PGresult* result, int row, int at) {
  if (PQgetisnull(result, row, at) != 0) return std::monostate{};
  const char* bytes = PQgetvalue(result, row, at);
  const auto size = static_cast<std::size_t>(PQgetlength(result, row, at));
  switch (PQftype(result, at)) {
    case kInt8:
      return static_cast<std::int64_t>(big_endian(bytes, size));
    case kInt4:
      return std::int64_t{static_cast<std::int32_t>(big_endian(bytes, size))};
    case kBool:
      return std::int64_t{bytes[0]};
    case kBytea:
      return SqlBytes(bytes, bytes + size);
    default:
      return std::string(bytes, size);
  }
}

class PostgresqlSession final : public SqlSession {
 public:
  PostgresqlSession(PostgresqlOptions options, std::string description)
      : options_(std::move(options)), description_(std::move(description)) {}

  [[nodiscard]] Dialect dialect() const override { return Dialect::postgresql; }
  [[nodiscard]] const std::string& description() const override { return description_; }
  using SqlSession::run;
  Result<SqlRows> run(const std::string& sql, std::span<const SqlValue> parameters) override;
  Result<std::uint32_t> schema_version() override {
    AKM_ASSIGN(const SqlRows rows, run("SELECT coalesce(max(version), 0) FROM schema_version"));
    return static_cast<std::uint32_t>(sql_integer(rows.at(0).at(0)));
  }
  Status set_schema_version(std::uint32_t version) override {
    AKM_TRY(run("INSERT INTO schema_version (version) VALUES ($1)", {std::int64_t{version}}));
    return {};
  }
  /// At the start: a server that is away is said at once.
  Status first_connect() { return connect_within(kLockPatience, false); }

 protected:
  [[nodiscard]] std::string begin_statement(Mode mode) const override {
    return mode == Mode::write ? "BEGIN ISOLATION LEVEL SERIALIZABLE"
                               : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
  }
  Status reconnect() override { return connect_within(milliseconds(options_.reconnect_ms), true); }

 private:
  Status connect();
  Status connect_within(milliseconds patience, bool also_when_away);
  [[nodiscard]] std::unexpected<Error> failed(const PGresult* result) const;

  PostgresqlOptions options_;
  std::string description_;
  Connection connection_;
};

std::unexpected<Error> PostgresqlSession::failed(const PGresult* result) const {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  if (PQstatus(connection_.get()) == CONNECTION_BAD || state == nullptr) {
    return fail(Errc::unreachable, description_ + ": " + first_line(PQerrorMessage(connection_.get())));
  }
  return fail(errc_of_sqlstate(state),
              description_ + ": " + (primary == nullptr ? state : first_line(primary)));
}

Result<SqlRows> PostgresqlSession::run(const std::string& sql, std::span<const SqlValue> parameters) {
  if (connection_ == nullptr) return fail(Errc::unreachable, description_);
  // Numbers travel as text, whose type the server finds by where they stand; bytes as they are.
  std::vector<std::string> numbers(parameters.size());
  std::vector<const char*> values(parameters.size(), nullptr);
  std::vector<int> lengths(parameters.size(), 0);
  std::vector<int> formats(parameters.size(), 0);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (const auto* integer = std::get_if<std::int64_t>(&parameters[i])) {
      numbers[i] = std::to_string(*integer);
      values[i] = numbers[i].c_str();
    } else if (const auto* text = std::get_if<std::string>(&parameters[i])) {
      values[i] = text->c_str();
    } else if (const auto* bytes = std::get_if<SqlBytes>(&parameters[i])) {
      // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as libpq takes them
      values[i] = bytes->empty() ? "" : reinterpret_cast<const char*>(bytes->data());
      lengths[i] = static_cast<int>(bytes->size());
      formats[i] = 1;
    }
  }
  constexpr int kBinary = 1;
  const Answer answer(PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(parameters.size()),
                                   nullptr, values.data(), lengths.data(), formats.data(), kBinary));
  const ExecStatusType status = PQresultStatus(answer.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return failed(answer.get());
  // A transaction that failed answers COMMIT with ROLLBACK, and not with an error.
  if (sql == "COMMIT" && std::string_view(PQcmdStatus(answer.get())) != "COMMIT") {
    return fail(Errc::storage_failed, description_ + ": the transaction was rolled back");
  }
  SqlRows rows(static_cast<std::size_t>(PQntuples(answer.get())));
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (int at = 0; at < PQnfields(answer.get()); ++at) {
      rows[row].push_back(value_at(answer.get(), static_cast<int>(row), at));
    }
  }
  return rows;
}

Status PostgresqlSession::connect() {
  // What the connection string says later wins over these.
  constexpr std::array kNames{"connect_timeout", "tcp_user_timeout", "fallback_application_name", "dbname",
                              static_cast<const char*>(nullptr)};
  const std::array<const char*, kNames.size()> values{"5", "10000", "akm-rootd", options_.conninfo.c_str(),
                                                      nullptr};
  constexpr int kExpandDbname = 1;  // dbname is a connection string
  connection_.reset(PQconnectdbParams(kNames.data(), values.data(), kExpandDbname));
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    const bool password = PQconnectionNeedsPassword(connection_.get()) != 0;
    const std::string why = first_line(PQerrorMessage(connection_.get()));
    const bool refused = password || PQconnectionUsedPassword(connection_.get()) != 0 ||
                         why.find("authentication failed") != std::string::npos;
    connection_.reset();
    return fail(refused ? Errc::not_authorized : Errc::unreachable, description_ + ": " + why);
  }
  // Notices ("schema exists already") are for nobody.
  PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
  for (const std::string& statement :
       {fmt::format("SET statement_timeout = {}", options_.statement_timeout_ms),
        fmt::format("SET lock_timeout = {}", options_.statement_timeout_ms),
        std::string("SET idle_in_transaction_session_timeout = 60000"),
        std::string("SET synchronous_commit = on"), std::string("SET client_encoding = 'UTF8'")}) {
    AKM_TRY(run(statement));
  }
  AKM_ASSIGN(const SqlRows locked, run("SELECT pg_try_advisory_lock($1)", {kLock}));
  if (sql_integer(locked.at(0).at(0)) == 0) {
    connection_.reset();
    return fail(Errc::busy, description_ + ": another Root has it");
  }
  for (const char* statement : {"CREATE SCHEMA IF NOT EXISTS akm", "SET search_path = akm",
                                "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY)"}) {
    AKM_TRY(run(statement));
  }
  return {};
}

Status PostgresqlSession::connect_within(milliseconds patience, bool also_when_away) {
  const auto until = steady_clock::now() + patience;
  milliseconds pause = kFirstPause;
  for (;;) {
    const Status connected = connect();
    if (connected) return connected;
    // Busy is what the lock of a connection that has just ended looks like, until the server has noticed.
    const bool may_pass = connected.error().code == Errc::busy ||
                          (also_when_away && connected.error().code == Errc::unreachable);
    if (!may_pass || steady_clock::now() + pause > until) return connected;
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

}  // namespace

Result<std::unique_ptr<SqlSession>> open_postgresql(PostgresqlOptions options) {
  AKM_ASSIGN(std::string description, describe(options.conninfo));
  auto session = std::make_unique<PostgresqlSession>(std::move(options), std::move(description));
  AKM_TRY(session->first_connect());
  return session;
}

}  // namespace akm::store
