#pragma once
// PostgreSQL by libpq, for Roots beyond one machine: the schema "akm" of the named database, one Root at a
// time.
#include <memory>
#include <string>

#include "daemon/store/sql_session.h"

namespace akm::store {

struct PostgresqlOptions {
  /// libpq's connection string ("host=db.example dbname=akm user=akm sslmode=verify-full
  /// passfile=/etc/akm/pgpass") or URI. It may hold a password: it is never shown.
  std::string conninfo;
  std::uint32_t statement_timeout_ms = 10'000;
  /// How long a call goes on trying to reach the server. The pauses grow from 50 ms to 2 s.
  std::uint32_t reconnect_ms = 10'000;
};

/// config_invalid (the text is no connection string), unreachable, not_authorized, busy (another Root has the
/// database).
Result<std::unique_ptr<SqlSession>> open_postgresql(PostgresqlOptions options);

}  // namespace akm::store
