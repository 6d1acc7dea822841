#pragma once
// One connection to an SQL database: what SQLite and PostgreSQL have in common, and how a transaction is
// tried again.
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/base/result.h"

namespace akm::store {

using SqlBytes = std::vector<std::uint8_t>;
using SqlValue = std::variant<std::monostate, std::int64_t, std::string, SqlBytes>;
using SqlRow = std::vector<SqlValue>;
using SqlRows = std::vector<SqlRow>;

// What a column holds; 0 or empty where it is NULL or of another type.
std::int64_t sql_integer(const SqlValue& value);
std::string_view sql_text(const SqlValue& value);
std::span<const std::uint8_t> sql_bytes(const SqlValue& value);
inline bool sql_is_null(const SqlValue& value) {
  return std::holds_alternative<std::monostate>(value);
}

/// How often a transaction is tried that others are in the way of, or whose server went away.
inline constexpr int kTransactionTries = 8;

class SqlSession {
 public:
  enum class Dialect : std::uint8_t { sqlite, postgresql };
  /// What is done in a transaction. It may be run more than once, and must then do the same anew.
  using Work = std::function<Status()>;

  virtual ~SqlSession() = default;
  [[nodiscard]] virtual Dialect dialect() const = 0;
  /// For people; never a password.
  [[nodiscard]] virtual const std::string& description() const = 0;
  /// One statement with $1, $2, ... for the parameters, in a transaction or alone. disk_full, read_only,
  /// storage_failed, state_corrupt, timed_out, busy (locked by another process); unreachable (the server went
  /// away) and interrupted (serialisation failed) have read() and write() try again.
  virtual Result<SqlRows> run(const std::string& sql, std::span<const SqlValue> parameters) = 0;
  Result<SqlRows> run(const std::string& sql, std::initializer_list<SqlValue> parameters = {}) {
    return run(sql, std::span(parameters.begin(), parameters.size()));
  }
  [[nodiscard]] virtual Result<std::uint32_t> schema_version() = 0;
  /// In a transaction.
  virtual Status set_schema_version(std::uint32_t version) = 0;

  /// All of `work` or none of it, durably. Tried again where that helps; when the connection broke during the
  /// commit it is found out whether it had been done.
  Status write(const Work& work);
  /// `work` sees one state of the database.
  Status read(const Work& work);
  /// Why the server could not be reached when it was last asked.
  [[nodiscard]] const std::optional<Error>& away() const { return away_; }
  /// A read() of one statement.
  Result<SqlRows> ask(const std::string& sql, std::initializer_list<SqlValue> parameters = {});

 protected:
  enum class Mode : std::uint8_t { read, write };
  [[nodiscard]] virtual std::string begin_statement(Mode mode) const = 0;
  /// After unreachable: a connection that works, or unreachable once its patience is at an end.
  virtual Status reconnect() = 0;

 private:
  using Mark = std::array<std::uint8_t, 16>;
  Status note(Status done);
  Status try_write(const Work& work);
  Status try_read(const Work& work);
  Status write_once(const Work& work, const Mark& mark, bool& commit_sent);
  Result<bool> was_committed(const Mark& mark);

  std::optional<Error> away_;
};

}  // namespace akm::store
