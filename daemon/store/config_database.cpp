#include "daemon/store/config_database.h"

#include "daemon/base/clean_text.h"
#include "daemon/base/cursor.h"
#include "daemon/base/wall_time.h"
#include "daemon/store/config_database_impl.h"
#include "daemon/store/config_schema.h"
#include "daemon/store/fields_text.h"

namespace akm::store {

Result<std::pair<RecordKind, std::uint64_t>> key_from(std::string_view kind, std::string_view id) {
  const auto parsed_kind = kind_from(kind);
  const auto parsed_id = parse_hex_id(id);
  if (!parsed_kind || !parsed_id) return fail(Errc::state_corrupt, "a row of the database names no record");
  return std::pair(*parsed_kind, *parsed_id);
}

Status check_page(std::size_t limit) {
  return limit >= 1 && limit <= kPageMax ? Status{}
                                         : fail(Errc::invalid_argument, "a page has 1 to 1000 rows");
}

Status check_edits(std::span<const Edit> edits, std::string_view who) {
  if (edits.size() > kEditsMax) return fail(Errc::limit_exceeded, "at most 4096 edits at once");
  if (who.empty() || who.size() > kWhoBytes || !is_clean_text(who)) {
    return fail(Errc::invalid_argument, "who makes the change");
  }
  for (const Edit& edit : edits) {
    if (edit.kind == RecordKind::domain && edit.id != 1) {
      return fail(Errc::invalid_argument, "the domain has the id 1");
    }
    if (edit.id == 0) return fail(Errc::invalid_argument, "an id is not 0");
    if (edit.after) AKM_TRY(check_fields(*edit.after));
  }
  return {};
}

ConfigDatabase::ConfigDatabase(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ConfigDatabase::~ConfigDatabase() = default;

Result<std::unique_ptr<ConfigDatabase>> ConfigDatabase::open(std::unique_ptr<SqlSession> session,
                                                             const SecretBytes<32>& storage_key,
                                                             RandomSource& random,
                                                             const std::optional<HistoryHead>& known) {
  AKM_ASSIGN(ChainKeys keys, ChainKeys::derive(storage_key));
  AKM_TRY(migrate(*session, config_schema()));
  auto impl = std::make_unique<Impl>(Impl{std::move(session), std::move(keys), random, {}, {}, 0});
  const Status done = impl->sql->read([&]() -> Status {
    AKM_TRY(impl->verify_history());
    AKM_TRY(impl->verify_secrets());
    return known ? impl->verify_known(*known) : Status{};
  });
  if (!done) return std::unexpected(done.error());
  return std::unique_ptr<ConfigDatabase>(new ConfigDatabase(std::move(impl)));
}

const std::string& ConfigDatabase::description() const {
  return impl_->sql->description();
}

const std::optional<Error>& ConfigDatabase::away() const {
  return impl_->sql->away();
}

const HistoryHead& ConfigDatabase::head() const {
  return impl_->head;
}

Status ConfigDatabase::Impl::expect_head() {
  AKM_ASSIGN(const SqlRows rows,
             sql->run("SELECT revision, digest FROM history ORDER BY revision DESC LIMIT 1"));
  const bool same = rows.empty() ? head.revision == 0
                                 : static_cast<std::uint64_t>(sql_integer(rows[0][0])) == head.revision &&
                                       std::ranges::equal(sql_bytes(rows[0][1]), head.digest);
  AKM_ASSIGN(const SqlRows list, sql->run("SELECT value FROM meta WHERE name = 'secrets'"));
  // 0 where the row was shortened: then it does not match.
  const std::uint64_t written = list.empty() ? 0 : Reader(sql_bytes(list[0][0])).u64();
  if (same && written == head.secrets_written) return {};
  return fail(Errc::state_corrupt,
              sql->description() + ": somebody else has written to it; restart to verify it");
}

Status ConfigDatabase::Impl::write(const std::function<Status(Next&)>& work) {
  Next next;
  const Status done = sql->write([&]() -> Status {
    next = Next{head, secrets};
    AKM_TRY(expect_head());
    return work(next);
  });
  if (!done) return std::unexpected(done.error());
  head = next.head;
  secrets = std::move(next.secrets);
  return {};
}

Status ConfigDatabase::Impl::make_change(const Edit& edit, std::string_view who, std::uint64_t rollback_to,
                                         Next& next) {
  HistoryRow row;
  row.kind = kind_name(edit.kind);
  row.id = hex_id(edit.id);
  AKM_ASSIGN(const SqlRows found,
             sql->run("SELECT revision, body FROM record WHERE kind = $1 AND id = $2", {row.kind, row.id}));
  const std::uint64_t revision = found.empty() ? 0 : static_cast<std::uint64_t>(sql_integer(found[0][0]));
  if (edit.expected_revision && *edit.expected_revision != revision) {
    return fail(Errc::busy,
                row.kind + " " + row.id + " was changed meanwhile, by revision " + std::to_string(revision));
  }
  if (!found.empty()) row.was = sql_text(found[0][1]);
  if (edit.after) row.became = fields_to_text(*edit.after);
  if (row.was == row.became) return {};
  if (next.head.revision - pruned_to >= kHistoryMax)
    return fail(Errc::limit_exceeded, "the history is full: akmctl root history prune");
  row.revision = next.head.revision + 1;
  row.unix_ns = wall_time_ns();
  row.who = who;
  row.rollback_to = rollback_to;
  AKM_ASSIGN(next.head.digest, keys.extend(next.head.digest, row));
  next.head.revision = row.revision;
  AKM_TRY(
      sql->run("INSERT INTO history (revision, unix_ns, who, rollback_to, kind, id, was, became, digest)"
               " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
               {sql_number(row.revision), row.unix_ns, row.who, sql_number(rollback_to), row.kind, row.id,
                sql_or_null(row.was), sql_or_null(row.became),
                SqlBytes(next.head.digest.begin(), next.head.digest.end())}));
  if (!row.became) {
    AKM_TRY(sql->run("DELETE FROM record WHERE kind = $1 AND id = $2", {row.kind, row.id}));
    return {};
  }
  AKM_TRY(
      sql->run("INSERT INTO record (kind, id, revision, body) VALUES ($1, $2, $3, $4)"
               " ON CONFLICT (kind, id) DO UPDATE SET revision = excluded.revision, body = excluded.body",
               {row.kind, row.id, sql_number(row.revision), *row.became}));
  return {};
}

Result<std::uint64_t> ConfigDatabase::apply(std::span<const Edit> edits, std::string_view who) {
  AKM_TRY(check_edits(edits, who));
  const Status done = impl_->write([&](Impl::Next& next) -> Status {
    for (const Edit& edit : edits) AKM_TRY(impl_->make_change(edit, who, 0, next));
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return head().revision;
}

namespace {

Result<ConfigRecord> record_from(const SqlRow& row) {
  AKM_ASSIGN(const auto key, key_from(sql_text(row[0]), sql_text(row[1])));
  ConfigRecord out{key.first, key.second, static_cast<std::uint64_t>(sql_integer(row[2])), {}};
  AKM_ASSIGN(out.fields, fields_from_text(sql_text(row[3])));
  return out;
}

}  // namespace

Result<ConfigRecord> ConfigDatabase::get(RecordKind kind, std::uint64_t id) {
  AKM_ASSIGN(const SqlRows rows,
             impl_->sql->ask("SELECT kind, id, revision, body FROM record WHERE kind = $1 AND id = $2",
                             {sql_string(kind_name(kind)), hex_id(id)}));
  if (rows.empty()) return fail(Errc::not_found, std::string(kind_name(kind)) + " " + hex_id(id));
  return record_from(rows[0]);
}

Result<std::vector<ConfigRecord>> ConfigDatabase::list(RecordKind kind, std::uint64_t after,
                                                       std::size_t limit) {
  AKM_TRY(check_page(limit));
  AKM_ASSIGN(const SqlRows rows,
             impl_->sql->ask("SELECT kind, id, revision, body FROM record WHERE kind = $1 AND id > $2"
                             " ORDER BY id LIMIT $3",
                             {sql_string(kind_name(kind)), hex_id(after), sql_number(limit)}));
  std::vector<ConfigRecord> out;
  for (const SqlRow& row : rows) {
    AKM_ASSIGN(ConfigRecord record, record_from(row));
    out.push_back(std::move(record));
  }
  return out;
}

}  // namespace akm::store
