#pragma once
// The Root's database: configuration with history, what NMMs reported, and sealed secrets. The SQL is the
// same for SQLite and PostgreSQL; what differs between them stands behind SqlSession.
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/random.h"
#include "daemon/base/result.h"
#include "daemon/base/secret.h"
#include "daemon/store/config_record.h"

namespace akm::store {

class SqlSession;

/// What an NMM reported last of one of its things. `kind` is nmm, node or asr. No secrets.
struct ReportRow {
  std::uint64_t nmm_id = 0;
  RecordKind kind = RecordKind::node;
  std::uint64_t id = 0;
  std::uint64_t sequence = 0;  // of the report that brought it; older ones change nothing
  std::int64_t unix_ns = 0;    // wall clock of the Root at receipt, informational
  Fields fields;               // "name", "state", "serial", "generation", "epoch", "members", ...

  bool operator==(const ReportRow&) const = default;
};

/// Something that happened at an NMM. Kept in order of arrival; the oldest go when there are kIncidentsMax.
struct IncidentRow {
  std::uint64_t number = 0;  // drawn by the database
  std::uint64_t nmm_id = 0;
  std::uint64_t sequence = 0;  // the NMM's number of it: the same one twice is stored once
  std::int64_t unix_ns = 0;    // wall clock of the Root at receipt, informational
  std::string name;            // "breach-detected", ...; 1 to 64 bytes
  std::uint8_t severity = 6;   // syslog
  std::uint64_t node_id = 0;   // 0: none
  std::uint64_t asr_id = 0;    // 0: none
  Fields fields;

  bool operator==(const IncidentRow&) const = default;
};
inline constexpr std::uint64_t kIncidentsMax = 100'000;

/// Where a secret belongs. The three are authenticated with it, so that rows cannot be swapped.
struct SecretName {
  RecordKind kind = RecordKind::nmm;
  std::uint64_t id = 0;
  std::string slot;  // "prs", "issue-3.prs": 1 to 64 of a-z, 0-9, '.', '_' and '-'
};
inline constexpr std::size_t kSecretBytesMax = std::size_t{64} * 1024;

/// How far the history had come when it was last looked at; the owner keeps it in its sealed state, apart
/// from the database, so that a database that was put back is noticed.
struct HistoryHead {
  std::uint64_t revision = 0;
  std::array<std::uint8_t, 32> digest{};
  std::uint64_t secrets_written = 0;  // how often a secret was put or removed

  bool operator==(const HistoryHead&) const = default;
};

/// Blocking; one thread at a time (daemon/root/database_thread.h has it run beside the loop).
///
/// Guarantees. Each call is one transaction: durable when it returns, or without effect. Every change of a
/// record is a row of the history, chained by HMAC-SHA-256 under a key derived from the storage key; open()
/// verifies the chain and that each record is what its last row says, so that a row that was edited, dropped,
/// swapped or made up without the key is found (state_corrupt). A database that was put back as a whole to an
/// earlier state is authentic in itself: open() finds it only by `known`, the head that its owner kept
/// elsewhere. Secrets are sealed with AES-256-GCM under a key of its own for each writing, with kind, id,
/// slot and the number of the writing as associated data; the highest number ever used is part of the chain,
/// so that an older secret put back into its row is found when it is read, as long as the rest of the
/// database is of now. Reports and incidents are not chained: they are what NMMs say and are said anew; who
/// writes to the database can forge them.
class ConfigDatabase {
 public:
  /// `storage_key` is copied. Makes or migrates the schema, verifies, and takes the database for this process
  /// alone (busy when another has it). `known` may be empty: then only the database itself is verified.
  /// state_corrupt saying what does not fit; newer_version; storage_failed,
  /// read_only, disk_full, unreachable.
  static Result<std::unique_ptr<ConfigDatabase>> open(std::unique_ptr<SqlSession> session,
                                                      const SecretBytes<32>& storage_key,
                                                      RandomSource& random,
                                                      const std::optional<HistoryHead>& known = {});
  ConfigDatabase(const ConfigDatabase&) = delete;
  ConfigDatabase& operator=(const ConfigDatabase&) = delete;
  ~ConfigDatabase();

  /// For people: "sqlite /var/lib/akm/root/root.db", "postgresql db.example:5432 akm". Never a password.
  [[nodiscard]] const std::string& description() const;
  /// Why the server could not be reached when it was last asked; nothing when it could.
  [[nodiscard]] const std::optional<Error>& away() const;
  /// Of the last change that was made; revision 0: none yet.
  [[nodiscard]] const HistoryHead& head() const;

  // Configuration. An edit that changes nothing leaves no row.
  /// not_found.
  Result<ConfigRecord> get(RecordKind kind, std::uint64_t id);
  /// Those with an id above `after`, by id, at most `limit` (1 to kPageMax). An empty answer is the end.
  Result<std::vector<ConfigRecord>> list(RecordKind kind, std::uint64_t after = 0,
                                         std::size_t limit = kPageMax);
  /// All or none; the revision of the last one (that of the head when nothing changed).
  /// busy naming the record when its revision is not the expected one; invalid_argument, too_large,
  /// limit_exceeded; disk_full, read_only, storage_failed, unreachable.
  Result<std::uint64_t> apply(std::span<const Edit> edits, std::string_view who);
  /// Rows with a revision above `after`, in order, at most `limit` (1 to kPageMax).
  Result<std::vector<Change>> history(std::uint64_t after = 0, std::size_t limit = kPageMax);
  /// What one would see going from `from` to `to` (either may be the greater), by kind, id and field.
  /// not_found for a revision that is not yet, or was pruned; limit_exceeded beyond kRollbackMax records.
  Result<std::vector<FieldDifference>> diff(std::uint64_t from, std::uint64_t to);
  /// Brings every record to what it was at `revision`, by new changes; the revision of the last of them.
  /// Records that `keep` names stay as they are (secrets and reports are not touched at all). not_found,
  /// limit_exceeded.
  Result<std::uint64_t> rollback(std::uint64_t revision, std::string_view who,
                                 const std::function<bool(RecordKind, std::uint64_t)>& keep = {});

  /// Drops the rows of the history up to `revision` (config_prune.cpp), except the one that made each record
  /// what it is; how many went. A checkpoint under the key of the chain takes their place, with who did it
  /// and when: open() verifies on from there. Nothing goes back to before it. invalid_argument for a revision
  /// that is not below the present one.
  Result<std::uint64_t> prune(std::uint64_t revision, std::string_view who);
  /// What the history was pruned to; 0: it is whole.
  [[nodiscard]] std::uint64_t pruned_to() const;

  // Secrets.
  /// Replaces. invalid_argument, too_large.
  Status put_secret(const SecretName& name, std::span<const std::uint8_t> secret);
  /// not_found; state_corrupt when it is another's, an older one, or damaged.
  Result<SecretBuffer> secret(const SecretName& name);
  /// A missing one is no error.
  Status remove_secret(const SecretName& name);
  /// Edits and a secret in one transaction: a record that names a secret is never without it.
  Result<std::uint64_t> apply_with_secret(std::span<const Edit> edits, std::string_view who,
                                          const SecretName& name, std::span<const std::uint8_t> secret);

  // Reports.
  /// One transaction; a row whose sequence is not above the stored one changes nothing.
  Status put_reports(std::span<const ReportRow> rows);
  /// By (nmm_id, id), those above (after_nmm, after_id); `nmm_id` 0: of all NMMs.
  Result<std::vector<ReportRow>> reports(RecordKind kind, std::uint64_t nmm_id = 0,
                                         std::uint64_t after_nmm = 0, std::uint64_t after_id = 0,
                                         std::size_t limit = kPageMax);
  Status put_incidents(std::span<const IncidentRow> rows);
  /// With a number above `after`, in order. `nmm_id` 0: of all NMMs.
  Result<std::vector<IncidentRow>> incidents(std::uint64_t after = 0, std::size_t limit = kPageMax,
                                             std::uint64_t nmm_id = 0);

 private:
  struct Impl;
  explicit ConfigDatabase(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace akm::store
