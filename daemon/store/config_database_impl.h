#pragma once
// The inside of ConfigDatabase, which config_database.cpp, config_history.cpp, config_secrets.cpp and
// config_reports.cpp share.
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/store/config_database.h"
#include "daemon/store/history_chain.h"
#include "daemon/store/sql_session.h"

namespace akm::store {

/// Rows of the history at most: its verification at the start takes seconds then.
inline constexpr std::uint64_t kHistoryMax = 1'000'000;

/// (kind, id) of records: the revision that made them what they are, and their text.
using RecordsOfHistory = std::map<std::pair<std::string, std::string>, std::pair<std::uint64_t, std::string>>;

/// revision, unix_ns, who, rollback_to, kind, id, was, became, as a page of the history has them.
HistoryRow history_row(const SqlRow& row);
/// Rows with a revision above $1, at most $2.
inline constexpr const char* kHistoryPage =
    "SELECT revision, unix_ns, who, rollback_to, kind, id, was, became, digest FROM history"
    " WHERE revision > $1 ORDER BY revision LIMIT $2";

struct ConfigDatabase::Impl {
  std::unique_ptr<SqlSession> sql;
  ChainKeys keys;
  RandomSource& random;
  HistoryHead head;
  SecretNumbers secrets;
  std::uint64_t pruned_to = 0;

  /// What one transaction leaves; taken over when it was committed.
  struct Next {
    HistoryHead head;
    SecretNumbers secrets;
  };
  /// state_corrupt when the database is not as this process left it: another has written.
  Status expect_head();
  /// Runs `work` in a transaction and takes its Next over.
  Status write(const std::function<Status(Next&)>& work);
  Status make_change(const Edit& edit, std::string_view who, std::uint64_t rollback_to, Next& next);
  Status seal_secret(const SecretName& name, std::span<const std::uint8_t> secret, Next& next);
  Status store_secret_list(Next& next);

  /// Where the history begins: the checkpoint, verified with the rows before it that are kept, or nothing.
  /// What those rows say of records goes into `records`.
  Status begin_history(RecordsOfHistory& records);
  Status verify_history();
  Status verify_again();
  Status verify_secrets();
  Status verify_known(const HistoryHead& known);
};

inline SqlValue sql_number(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}
inline SqlValue sql_string(std::string_view text) {
  return std::string(text);
}
inline SqlValue sql_or_null(const std::optional<std::string>& text) {
  return text ? SqlValue(*text) : SqlValue(std::monostate{});
}
inline std::optional<std::string> text_or_none(const SqlValue& value) {
  if (sql_is_null(value)) return std::nullopt;
  return std::string(sql_text(value));
}
/// state_corrupt.
Result<std::pair<RecordKind, std::uint64_t>> key_from(std::string_view kind, std::string_view id);
Status check_page(std::size_t limit);
Status check_edits(std::span<const Edit> edits, std::string_view who);

}  // namespace akm::store
