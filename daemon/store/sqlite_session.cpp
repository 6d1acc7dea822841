#include "daemon/store/sqlite_session.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/unique_fd.h"

namespace akm::store {
namespace {

// The file is ours alone, so this is waited for only where a program that reads it is about to end.
constexpr int kBusyTimeoutMs = 2000;

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

Errc errc_of(sqlite3* database, int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return Errc::disk_full;
    case SQLITE_READONLY:
      return Errc::read_only;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Errc::busy;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Errc::state_corrupt;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: {
      const int error = sqlite3_system_errno(database);
      if (error == ENOSPC || error == EDQUOT) return Errc::disk_full;
      return error == EROFS ? Errc::read_only : Errc::storage_failed;
    }
    default:
      return Errc::storage_failed;
  }
}

Status bind(sqlite3_stmt* statement, int at, const SqlValue& value) {
  int code = SQLITE_OK;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    code = sqlite3_bind_int64(statement, at, *integer);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    code = sqlite3_bind_text64(statement, at, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
  } else if (const auto* bytes = std::get_if<SqlBytes>(&value)) {
    // Not a null pointer for no bytes: that would be NULL.
    code = bytes->empty() ? sqlite3_bind_zeroblob(statement, at, 0)
                          : sqlite3_bind_blob64(statement, at, bytes->data(), bytes->size(), SQLITE_STATIC);
  } else {
    code = sqlite3_bind_null(statement, at);
  }
  return code == SQLITE_OK ? Status{} : fail(Errc::internal, "SQLite does not take a parameter");
}

SqlValue column(sqlite3_stmt* statement, int at) {
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, at));
  switch (sqlite3_column_type(statement, at)) {
    case SQLITE_INTEGER:
      return std::int64_t{sqlite3_column_int64(statement, at)};
    case SQLITE_TEXT:
      // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): text of SQLite is unsigned char
      return std::string(reinterpret_cast<const char*>(sqlite3_column_text(statement, at)), size);
    case SQLITE_BLOB: {
      const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement, at));
      return size == 0 ? SqlBytes{} : SqlBytes(data, data + size);
    }
    default:
      return std::monostate{};
  }
}

class SqliteSession final : public SqlSession {
 public:
  SqliteSession(sqlite3* database, const std::string& path)
      : database_(database), description_("sqlite " + path) {}

  [[nodiscard]] Dialect dialect() const override { return Dialect::sqlite; }
  [[nodiscard]] const std::string& description() const override { return description_; }
  using SqlSession::run;
  Result<SqlRows> run(const std::string& sql, std::span<const SqlValue> parameters) override {
    sqlite3_stmt* prepared = nullptr;
    int code = sqlite3_prepare_v2(database_.get(), sql.c_str(), static_cast<int>(sql.size() + 1), &prepared,
                                  nullptr);
    const Statement statement(prepared);
    if (code != SQLITE_OK) return failed(code);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const int at = sqlite3_bind_parameter_index(prepared, ("$" + std::to_string(i + 1)).c_str());
      if (at == 0) return fail(Errc::internal, "a statement lacks $" + std::to_string(i + 1));
      AKM_TRY(bind(prepared, at, parameters[i]));
    }
    SqlRows rows;
    while ((code = sqlite3_step(prepared)) == SQLITE_ROW) {
      SqlRow& row = rows.emplace_back();
      for (int i = 0; i < sqlite3_column_count(prepared); ++i) row.push_back(column(prepared, i));
    }
    if (code != SQLITE_DONE) return failed(code);
    return rows;
  }
  Result<std::uint32_t> schema_version() override {
    AKM_ASSIGN(const SqlRows rows, run("PRAGMA user_version"));
    return rows.empty() ? 0 : static_cast<std::uint32_t>(sql_integer(rows[0][0]));
  }
  Status set_schema_version(std::uint32_t version) override {
    AKM_TRY(run("PRAGMA user_version = " + std::to_string(version)));
    return {};
  }
  Status prepare() {
    sqlite3_extended_result_codes(database_.get(), 1);
    sqlite3_busy_timeout(database_.get(), kBusyTimeoutMs);
    // A file that somebody else made is not trusted to bring functions along.
    sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    // Exclusive before WAL: the index of the log is then in our memory and in no file of shared memory.
    for (const char* pragma :
         {"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
          "PRAGMA foreign_keys = ON", "PRAGMA secure_delete = ON", "PRAGMA cell_size_check = ON"}) {
      AKM_TRY(run(pragma));
    }
    AKM_TRY(run("BEGIN IMMEDIATE"));  // takes the lock, and finds out that the file cannot be written
    AKM_TRY(run("COMMIT"));
    return check();
  }

 protected:
  [[nodiscard]] std::string begin_statement(Mode mode) const override {
    return mode == Mode::write ? "BEGIN IMMEDIATE" : "BEGIN";
  }
  Status reconnect() override { return fail(Errc::internal, "a file does not go away"); }

 private:
  std::unexpected<Error> failed(int code) const {
    // The sentence of SQLite names tables and columns, never values.
    return fail(errc_of(database_.get(), code), description_ + ": " + sqlite3_errmsg(database_.get()));
  }
  Status check() {
    AKM_ASSIGN(const SqlRows rows, run("PRAGMA integrity_check(1)"));
    if (rows.size() != 1 || sql_text(rows[0][0]) != "ok") {
      return fail(Errc::state_corrupt,
                  description_ + ": " + (rows.empty() ? "no answer" : std::string(sql_text(rows[0][0]))));
    }
    AKM_ASSIGN(const SqlRows orphans, run("PRAGMA foreign_key_check"));
    return orphans.empty() ? Status{}
                           : fail(Errc::state_corrupt, description_ + ": a record has no row in the history");
  }

  std::unique_ptr<sqlite3, CloseDatabase> database_;
  std::string description_;
};

Status make_private(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600));
  if (!fd) return fail_errno(Errc::storage_failed, path);
  struct stat found{};
  if (::fstat(fd.get(), &found) != 0) return fail_errno(Errc::storage_failed, path);
  if (!S_ISREG(found.st_mode)) return fail(Errc::storage_failed, path + " is no regular file");
  if ((found.st_mode & 07777) != 0600 && ::fchmod(fd.get(), 0600) != 0) {
    return fail_errno(Errc::storage_failed, path);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<SqlSession>> open_sqlite(const std::string& path) {
  if (!path.starts_with('/'))
    return fail(Errc::invalid_argument, "the path of the database must be absolute");
  AKM_TRY(make_private(path));
  sqlite3* database = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX, nullptr);
  auto session = std::make_unique<SqliteSession>(database, path);
  if (code != SQLITE_OK) return fail(errc_of(database, code), path);
  AKM_TRY(session->prepare());
  return session;
}

}  // namespace akm::store
