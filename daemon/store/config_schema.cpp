#include "daemon/store/config_schema.h"

#include <array>
#include <utility>

namespace akm::store {
namespace {

std::string in_dialect(std::string_view statement, SqlSession::Dialect dialect) {
  using Words = std::array<std::pair<std::string_view, std::string_view>, 5>;
  constexpr Words kSqlite{
      {{":int", "INTEGER"}, {":bytes", "BLOB"}, {":text", "TEXT"}, {":strict", "STRICT"}, {":none", "x''"}}};
  // Ids are compared as bytes, whatever the language of the server.
  constexpr Words kPostgresql{{{":int", "BIGINT"},
                               {":bytes", "BYTEA"},
                               {":text", "TEXT COLLATE \"C\""},
                               {":strict", ""},
                               {":none", "''"}}};
  std::string out(statement);
  for (const auto& [word, meaning] : dialect == SqlSession::Dialect::sqlite ? kSqlite : kPostgresql) {
    for (auto at = out.find(word); at != std::string::npos; at = out.find(word, at + meaning.size())) {
      out.replace(at, word.size(), meaning);
    }
  }
  return out;
}

}  // namespace

std::span<const SchemaStep> config_schema() {
  // Kinds and ids are text as people write them: "node", "00000000000000a1".
  // NOLINTBEGIN(bugprone-suspicious-missing-comma): long statements are in parts
  static const std::array<SchemaStep, 1> kSteps{{{
      "CREATE TABLE meta (name :text PRIMARY KEY, value :bytes NOT NULL) :strict",
      "INSERT INTO meta (name, value) VALUES ('last_write', :none)",
      "CREATE TABLE history (revision :int PRIMARY KEY, unix_ns :int NOT NULL, who :text NOT NULL,"
      " rollback_to :int NOT NULL, kind :text NOT NULL, id :text NOT NULL, was :text, became :text,"
      " digest :bytes NOT NULL) :strict",
      "CREATE INDEX history_of ON history (kind, id, revision)",
      "CREATE TABLE record (kind :text NOT NULL, id :text NOT NULL, revision :int NOT NULL REFERENCES "
      "history,"
      " body :text NOT NULL, PRIMARY KEY (kind, id)) :strict",
      "CREATE TABLE secret (kind :text NOT NULL, id :text NOT NULL, slot :text NOT NULL, number :int NOT "
      "NULL,"
      " sealed :bytes NOT NULL, PRIMARY KEY (kind, id, slot)) :strict",
      "CREATE TABLE report (nmm :text NOT NULL, kind :text NOT NULL, id :text NOT NULL, sequence :int NOT "
      "NULL,"
      " unix_ns :int NOT NULL, body :text NOT NULL, PRIMARY KEY (kind, nmm, id)) :strict",
      "CREATE TABLE incident (number :int PRIMARY KEY, nmm :text NOT NULL, sequence :int NOT NULL,"
      " unix_ns :int NOT NULL, name :text NOT NULL, severity :int NOT NULL, node :text NOT NULL,"
      " asr :text NOT NULL, body :text NOT NULL, UNIQUE (nmm, sequence)) :strict",
  }}};
  // NOLINTEND(bugprone-suspicious-missing-comma)
  return kSteps;
}

Status migrate(SqlSession& session, std::span<const SchemaStep> steps) {
  AKM_ASSIGN(const std::uint32_t found, session.schema_version());
  if (found > steps.size()) {
    return fail(Errc::newer_version, session.description() + " has schema " + std::to_string(found) +
                                         ", this program knows " + std::to_string(steps.size()) +
                                         ": install the version that made it, or a newer one");
  }
  for (std::uint32_t version = found; version < steps.size(); ++version) {
    const Status done = session.write([&]() -> Status {
      for (const std::string_view statement : steps[version]) {
        AKM_TRY(session.run(in_dialect(statement, session.dialect())));
      }
      return session.set_schema_version(version + 1);
    });
    if (!done) return std::unexpected(done.error());
  }
  return {};
}

}  // namespace akm::store
