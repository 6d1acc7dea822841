#pragma once
// The tables, as numbered steps: a database of an older version is brought up step by step, each in a
// transaction.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/store/sql_session.h"

namespace akm::store {

/// Statements of one step; ":int", ":bytes", ":text", ":strict" and ":none" (no bytes) stand for what the
/// dialect calls them.
using SchemaStep = std::vector<std::string_view>;
/// The version of the schema is the number of steps.
std::span<const SchemaStep> config_schema();

/// newer_version when the database has more steps than we know: a newer version made it.
Status migrate(SqlSession& session, std::span<const SchemaStep> steps);

}  // namespace akm::store
