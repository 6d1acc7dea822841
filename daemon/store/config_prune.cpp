// A history that was pruned: the checkpoint in the place of the rows that are gone. Of what is before it only
// the rows are kept that made records what they are; their chain begins at the checkpoint.
#include <algorithm>
#include <array>

#include "daemon/base/cursor.h"
#include "daemon/base/wall_time.h"
#include "daemon/store/config_database_impl.h"

namespace akm::store {
namespace {

constexpr std::size_t kFixedBytes = 8 + 32 + 32 + 8;

/// As it stands in the table of what the database says of itself.
struct Checkpoint {
  std::uint64_t revision = 0;  // the rows up to here are gone
  ChainDigest digest{};        // of that revision: the chain goes on from it
  ChainDigest kept{};          // over this and the rows that were kept
  std::int64_t unix_ns = 0;
  std::string who;

  [[nodiscard]] SqlBytes encode() const {
    SqlBytes bytes(kFixedBytes + who.size());
    Writer out(bytes);
    out.u64(revision);
    out.bytes(digest);
    out.bytes(kept);
    out.u64(static_cast<std::uint64_t>(unix_ns));
    std::ranges::copy(who, bytes.begin() + kFixedBytes);
    return bytes;
  }
  static std::optional<Checkpoint> decode(std::span<const std::uint8_t> bytes) {
    if (bytes.size() < kFixedBytes || bytes.size() > kFixedBytes + kWhoBytes) return std::nullopt;
    Reader in(bytes);
    Checkpoint out;
    out.revision = in.u64();
    std::ranges::copy(in.bytes(out.digest.size()), out.digest.begin());
    std::ranges::copy(in.bytes(out.kept.size()), out.kept.begin());
    out.unix_ns = static_cast<std::int64_t>(in.u64());
    const auto who = bytes.subspan(kFixedBytes);
    out.who.assign(who.begin(), who.end());
    return out;
  }
};

/// The chain from the checkpoint over the rows up to it.
Result<ChainDigest> over_kept(SqlSession& sql, const ChainKeys& keys, const Checkpoint& checkpoint,
                              RecordsOfHistory* records) {
  AKM_ASSIGN(ChainDigest out,
             keys.checkpoint(checkpoint.revision, checkpoint.digest, checkpoint.unix_ns, checkpoint.who));
  std::uint64_t last = 0;
  for (;;) {
    AKM_ASSIGN(const SqlRows page, sql.run(kHistoryPage, {sql_number(last), sql_number(kPageMax)}));
    for (const SqlRow& columns : page) {
      HistoryRow row = history_row(columns);
      if (row.revision > checkpoint.revision) return out;
      AKM_ASSIGN(out, keys.extend(out, row));
      last = row.revision;
      if (records == nullptr || !row.became) continue;
      (*records)[{std::move(row.kind), std::move(row.id)}] = {row.revision, std::move(*row.became)};
    }
    if (page.size() < kPageMax) return out;
  }
}

}  // namespace

Status ConfigDatabase::Impl::begin_history(RecordsOfHistory& records) {
  head = {};
  pruned_to = 0;
  AKM_ASSIGN(const SqlRows found, sql->run("SELECT value FROM meta WHERE name = 'checkpoint'"));
  if (found.empty()) return {};
  const auto checkpoint = Checkpoint::decode(sql_bytes(found[0][0]));
  const auto kept = checkpoint ? over_kept(*sql, keys, *checkpoint, &records)
                               : Result<ChainDigest>(fail(Errc::state_corrupt));
  if (!kept && kept.error().code != Errc::state_corrupt) return std::unexpected(kept.error());
  if (!kept || !equal_in_constant_time(*kept, checkpoint->kept)) {
    return fail(Errc::state_corrupt, sql->description() +
                                         ": the checkpoint of its history was not written by this Root, or "
                                         "what is before it was altered");
  }
  head.revision = checkpoint->revision;
  head.digest = checkpoint->digest;
  pruned_to = checkpoint->revision;
  return {};
}

/// Whoever altered rows since they were verified would have them under the checkpoint's key.
Status ConfigDatabase::Impl::verify_again() {
  const HistoryHead before = head;
  const Status sound = verify_history();
  head = before;
  return sound;
}

Result<std::uint64_t> ConfigDatabase::prune(std::uint64_t revision, std::string_view who) {
  AKM_TRY(check_edits({}, who));
  if (revision == 0 || revision >= head().revision)
    return fail(Errc::invalid_argument,
                "the newest change stays: a revision below " + std::to_string(head().revision));
  if (revision <= pruned_to()) return std::uint64_t{0};
  std::uint64_t gone = 0;
  const Status done = impl_->write([&](Impl::Next&) -> Status {
    SqlSession& sql = *impl_->sql;
    AKM_TRY(impl_->verify_again());
    // Pruned further meanwhile: by a transaction whose answer was lost.
    if (revision <= impl_->pruned_to) return {};
    AKM_ASSIGN(const SqlRows at,
               sql.run("SELECT digest FROM history WHERE revision = $1", {sql_number(revision)}));
    if (at.size() != 1 || sql_bytes(at[0][0]).size() != 32)
      return fail(Errc::state_corrupt, "revision " + std::to_string(revision));
    Checkpoint checkpoint;
    checkpoint.revision = revision;
    std::ranges::copy(sql_bytes(at[0][0]), checkpoint.digest.begin());
    checkpoint.unix_ns = wall_time_ns();
    checkpoint.who = who;
    AKM_ASSIGN(const SqlRows before, sql.run("SELECT count(*) FROM history"));
    AKM_TRY(
        sql.run("DELETE FROM history WHERE revision <= $1"
                " AND revision NOT IN (SELECT revision FROM record)",
                {sql_number(revision)}));
    AKM_ASSIGN(const SqlRows after, sql.run("SELECT count(*) FROM history"));
    gone = static_cast<std::uint64_t>(sql_integer(before[0][0]) - sql_integer(after[0][0]));
    AKM_ASSIGN(checkpoint.kept, over_kept(sql, impl_->keys, checkpoint, nullptr));
    AKM_TRY(
        sql.run("INSERT INTO meta (name, value) VALUES ('checkpoint', $1)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                {checkpoint.encode()}));
    return {};
  });
  if (!done) return std::unexpected(done.error());
  impl_->pruned_to = std::max(impl_->pruned_to, revision);
  return gone;
}

std::uint64_t ConfigDatabase::pruned_to() const {
  return impl_->pruned_to;
}

}  // namespace akm::store
