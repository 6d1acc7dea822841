#include "daemon/store/config_database_impl.h"
#include "daemon/store/fields_text.h"

namespace akm::store {
namespace {

Result<std::optional<Fields>> fields_or_none(const std::optional<std::string>& text) {
  if (!text) return std::optional<Fields>{};
  AKM_ASSIGN(Fields fields, fields_from_text(*text));
  return std::optional(std::move(fields));
}

// What one record was and became between two revisions.
struct Between {
  RecordKind kind = RecordKind::domain;
  std::uint64_t id = 0;
  std::optional<Fields> before;
  std::optional<Fields> after;
};

Result<std::vector<Between>> between(SqlSession& sql, std::uint64_t low, std::uint64_t high) {
  AKM_ASSIGN(const SqlRows rows,
             sql.run("SELECT changed.kind, changed.id,"
                     " (SELECT was FROM history WHERE revision = changed.lowest),"
                     " (SELECT became FROM history WHERE revision = changed.highest)"
                     " FROM (SELECT kind, id, min(revision) AS lowest, max(revision) AS highest FROM history"
                     " WHERE revision > $1 AND revision <= $2 GROUP BY kind, id) AS changed"
                     " ORDER BY changed.kind, changed.id LIMIT $3",
                     {sql_number(low), sql_number(high), sql_number(kRollbackMax + 1)}));
  if (rows.size() > kRollbackMax) return fail(Errc::limit_exceeded, "more than 65536 records differ");
  std::vector<Between> out;
  out.reserve(rows.size());
  for (const SqlRow& row : rows) {
    AKM_ASSIGN(const auto key, key_from(sql_text(row[0]), sql_text(row[1])));
    Between& one = out.emplace_back(Between{key.first, key.second, {}, {}});
    AKM_ASSIGN(one.before, fields_or_none(text_or_none(row[2])));
    AKM_ASSIGN(one.after, fields_or_none(text_or_none(row[3])));
  }
  return out;
}

void add_differences(const Between& one, std::vector<FieldDifference>& out) {
  const Fields none;
  const Fields& before = one.before ? *one.before : none;
  const Fields& after = one.after ? *one.after : none;
  Fields names = before;
  names.insert(after.begin(), after.end());
  for (const auto& [name, ignored] : names) {
    const auto was = before.find(name);
    const auto is = after.find(name);
    FieldDifference difference{one.kind, one.id, name, {}, {}};
    if (was != before.end()) difference.before = was->second;
    if (is != after.end()) difference.after = is->second;
    if (difference.before != difference.after) out.push_back(std::move(difference));
  }
}

}  // namespace

HistoryRow history_row(const SqlRow& row) {
  return {.revision = static_cast<std::uint64_t>(sql_integer(row[0])),
          .unix_ns = sql_integer(row[1]),
          .who = std::string(sql_text(row[2])),
          .rollback_to = static_cast<std::uint64_t>(sql_integer(row[3])),
          .kind = std::string(sql_text(row[4])),
          .id = std::string(sql_text(row[5])),
          .was = text_or_none(row[6]),
          .became = text_or_none(row[7])};
}

Status ConfigDatabase::Impl::verify_history() {
  const auto corrupt = [this](const std::string& what) {
    return fail(Errc::state_corrupt, sql->description() + ": " + what);
  };
  RecordsOfHistory records;
  AKM_TRY(begin_history(records));
  for (;;) {
    AKM_ASSIGN(const SqlRows page, sql->run(kHistoryPage, {sql_number(head.revision), sql_number(kPageMax)}));
    for (const SqlRow& columns : page) {
      HistoryRow row = history_row(columns);
      const std::string name = "revision " + std::to_string(row.revision) + " of the history";
      if (row.revision != head.revision + 1) return corrupt("rows are missing before " + name);
      AKM_ASSIGN(const ChainDigest digest, keys.extend(head.digest, row));
      if (!equal_in_constant_time(digest, sql_bytes(columns[8]))) {
        return corrupt(name + " was not written by this Root, or was altered");
      }
      head.revision = row.revision;
      head.digest = digest;
      const std::pair key(std::move(row.kind), std::move(row.id));
      if (row.became) {
        records[key] = {row.revision, std::move(*row.became)};
      } else {
        records.erase(key);
      }
    }
    if (page.size() < kPageMax) break;
  }
  SqlRow last{std::string(), std::string()};
  for (;;) {
    AKM_ASSIGN(const SqlRows page, sql->run("SELECT kind, id, revision, body FROM record"
                                            " WHERE kind > $1 OR (kind = $1 AND id > $2)"
                                            " ORDER BY kind, id LIMIT $3",
                                            {last[0], last[1], sql_number(kPageMax)}));
    for (const SqlRow& row : page) {
      const auto found = records.find({std::string(sql_text(row[0])), std::string(sql_text(row[1]))});
      if (found == records.end() || found->second.first != static_cast<std::uint64_t>(sql_integer(row[2])) ||
          found->second.second != sql_text(row[3])) {
        return corrupt("a record is not what the history says: " + std::string(sql_text(row[0])) + " " +
                       std::string(sql_text(row[1])));
      }
      records.erase(found);
      last = {row[0], row[1]};
    }
    if (page.size() < kPageMax) break;
  }
  if (records.empty()) return {};
  const auto& [kind, id] = records.begin()->first;
  return corrupt("a record is missing: " + kind + " " + id);
}

Status ConfigDatabase::Impl::verify_known(const HistoryHead& known) {
  const auto older = [this](std::uint64_t have, std::uint64_t seen, const std::string& what) {
    return fail(Errc::state_corrupt,
                sql->description() + " is older than what this Root last saw of it: " + what + " " +
                    std::to_string(have) + ", seen " + std::to_string(seen) + "; put the newer one back");
  };
  if (known.revision > head.revision) return older(head.revision, known.revision, "revision");
  if (known.secrets_written > head.secrets_written) {
    return older(head.secrets_written, known.secrets_written, "secrets written");
  }
  // What was last seen of it was pruned since: its checkpoint says that it is of a later time.
  if (known.revision == 0 || known.revision <= pruned_to) return {};
  AKM_ASSIGN(const SqlRows rows,
             sql->run("SELECT digest FROM history WHERE revision = $1", {sql_number(known.revision)}));
  if (rows.size() == 1 && std::ranges::equal(sql_bytes(rows[0][0]), known.digest)) return {};
  return fail(Errc::state_corrupt, sql->description() + " took another course since revision " +
                                       std::to_string(known.revision) + ": it was put back and written on");
}

Result<std::vector<Change>> ConfigDatabase::history(std::uint64_t after, std::size_t limit) {
  AKM_TRY(check_page(limit));
  AKM_ASSIGN(const SqlRows rows, impl_->sql->ask(kHistoryPage, {sql_number(after), sql_number(limit)}));
  std::vector<Change> out;
  for (const SqlRow& columns : rows) {
    HistoryRow row = history_row(columns);
    AKM_ASSIGN(const auto key, key_from(row.kind, row.id));
    Change& change = out.emplace_back(Change{
        row.revision, row.unix_ns, std::move(row.who), row.rollback_to, key.first, key.second, {}, {}});
    AKM_ASSIGN(change.before, fields_or_none(row.was));
    AKM_ASSIGN(change.after, fields_or_none(row.became));
  }
  return out;
}

Result<std::vector<FieldDifference>> ConfigDatabase::diff(std::uint64_t from, std::uint64_t to) {
  const bool backwards = from > to;
  const std::uint64_t high = std::max(from, to);
  if (high > head().revision) return fail(Errc::not_found, "revision " + std::to_string(high));
  if (std::min(from, to) < pruned_to())
    return fail(Errc::not_found, "the history was pruned to revision " + std::to_string(pruned_to()));
  std::vector<Between> changed;
  const Status done = impl_->sql->read([&]() -> Status {
    AKM_ASSIGN(changed, between(*impl_->sql, std::min(from, to), high));
    return {};
  });
  if (!done) return std::unexpected(done.error());
  std::vector<FieldDifference> out;
  for (Between& one : changed) {
    if (backwards) std::swap(one.before, one.after);
    add_differences(one, out);
  }
  return out;
}

Result<std::uint64_t> ConfigDatabase::rollback(std::uint64_t revision, std::string_view who,
                                               const std::function<bool(RecordKind, std::uint64_t)>& keep) {
  AKM_TRY(check_edits({}, who));
  if (revision > head().revision) return fail(Errc::not_found, "revision " + std::to_string(revision));
  if (revision < pruned_to())
    return fail(Errc::not_found, "the history was pruned to revision " + std::to_string(pruned_to()));
  const Status done = impl_->write([&](Impl::Next& next) -> Status {
    AKM_ASSIGN(std::vector<Between> changed, between(*impl_->sql, revision, next.head.revision));
    for (Between& one : changed) {
      if (keep && keep(one.kind, one.id)) continue;
      AKM_TRY(impl_->make_change(Edit{one.kind, one.id, std::move(one.before), {}}, who, revision, next));
    }
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return head().revision;
}

}  // namespace akm::store
