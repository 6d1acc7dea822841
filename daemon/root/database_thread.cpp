#include "daemon/root/database_thread.h"

#include <algorithm>
#include <utility>

#include "daemon/base/cursor.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"

namespace akm::root {
namespace {

constexpr std::string_view kHeadRecord = "database-head";
constexpr std::string_view kKeyRecord = "database-key";
constexpr std::size_t kHeadBytes = 8 + 32 + 8;

}  // namespace

std::vector<std::uint8_t> encode_head(const store::HistoryHead& head) {
  std::vector<std::uint8_t> bytes(kHeadBytes);
  Writer out(bytes);
  out.u64(head.revision);
  out.bytes(head.digest);
  out.u64(head.secrets_written);
  return bytes;
}

Result<store::HistoryHead> decode_head(std::span<const std::uint8_t> bytes) {
  if (bytes.size() != kHeadBytes) return fail(Errc::state_corrupt, std::string(kHeadRecord));
  Reader in(bytes);
  store::HistoryHead out;
  out.revision = in.u64();
  std::ranges::copy(in.bytes(out.digest.size()), out.digest.begin());
  out.secrets_written = in.u64();
  return out;
}

Result<std::optional<store::HistoryHead>> known_head(store::SealedStore& sealed) {
  const auto record = sealed.read(kHeadRecord);
  if (!record && record.error().code == Errc::not_found) return std::optional<store::HistoryHead>{};
  if (!record) return std::unexpected(record.error());
  AKM_ASSIGN(const store::HistoryHead head, decode_head(record->reveal()));
  return std::optional(head);
}

Result<SecretBytes<32>> database_key(store::SealedStore& sealed, RandomSource& random) {
  SecretBytes<32> key;
  const auto record = sealed.read(kKeyRecord);
  if (record) {
    if (record->size() != key.reveal().size()) return fail(Errc::state_corrupt, std::string(kKeyRecord));
    std::ranges::copy(record->reveal(), key.reveal_mutable().begin());
    return key;
  }
  if (record.error().code != Errc::not_found) return std::unexpected(record.error());
  AKM_ASSIGN(const auto head, known_head(sealed));
  if (head) return fail(Errc::state_corrupt, "the key of the database is missing from the sealed state");
  AKM_TRY(random.fill(key.reveal_mutable()));
  AKM_TRY(sealed.write(kKeyRecord, key.reveal()));
  return key;
}

DatabaseThread::DatabaseThread(io::Loop& loop, store::SealedStore& sealed, Opener opener, Known known)
    : sealed_(sealed),
      inside_(std::make_shared<Inside>(Inside{std::move(opener), known, nullptr, {}, {}})),
      stored_(known),
      worker_(loop, kDatabaseQueue) {}

Result<store::ConfigDatabase*> DatabaseThread::Inside::reach() {
  if (database != nullptr) return database.get();
  if (failure && boottime_now() < not_before) return std::unexpected(*failure);
  auto opened = opener(known);
  if (opened) {
    failure.reset();
    database = std::move(*opened);
    return database.get();
  }
  failure = opened.error();
  not_before = boottime_now() + kReopenPause;
  return std::unexpected(*failure);
}

void DatabaseThread::run(DatabaseJob job) {
  // Shared, since a worker that is full does not give the job back.
  const auto held = std::make_shared<DatabaseJob>(std::move(job));
  const Status taken = worker_.run([this, held, inside = inside_]() -> keyring::TpmWorker::Completion {
    const auto database = inside->reach();
    auto after = (*held)(database);
    Report report{{}, {}};
    report.state.failure = inside->failure;
    if (database) {
      report.state.failure = (*database)->away();
      report.state.description = (*database)->description();
      report.state.revision = (*database)->head().revision;
      report.state.pruned_to = (*database)->pruned_to();
      report.head = (*database)->head();
      inside->known = report.head;
    }
    return [this, report = std::move(report), after = std::move(after)]() mutable {
      take(std::move(report));
      if (after) after();
    };
  });
  if (taken) return;
  auto after = (*held)(std::unexpected(taken.error()));
  if (after) after();
}

void DatabaseThread::take(Report report) {
  // Before anybody hears of the change: a database that is put back later is then found to be older.
  if (report.head && report.head != stored_) {
    const Status kept = sealed_.write(kHeadRecord, encode_head(*report.head));
    if (kept) stored_ = report.head;
    if (!kept) log::error("The head of the database's history was not stored: " + kept.error().message());
  }
  if (!report.head) report.state.description = state_.description;
  if (!report.head) report.state.revision = state_.revision;
  if (!report.head) report.state.pruned_to = state_.pruned_to;
  const auto code = [](const DatabaseState& state) {
    return state.failure ? state.failure->message() : std::string();
  };
  const bool same = report.state.revision == state_.revision && report.state.pruned_to == state_.pruned_to &&
                    report.state.description == state_.description && code(report.state) == code(state_);
  if (!same && report.state.failure && code(report.state) != code(state_)) {
    log::error("The database cannot be used: " + report.state.failure->message());
  }
  state_ = std::move(report.state);
  if (!same && changed_) changed_();
}

}  // namespace akm::root
