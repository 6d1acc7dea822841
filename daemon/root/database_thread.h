#pragma once
// The thread of the database: jobs in order, results back on the loop. The database is opened by the first
// job that finds it closed, so that the Root runs, and answers, while a server is away.
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/io/loop.h"
#include "daemon/root/database_port.h"
#include "daemon/service/aside_worker.h"
#include "daemon/store/sealed_store.h"

namespace akm::root {

/// Jobs that wait; one more is answered with busy.
inline constexpr std::size_t kDatabaseQueue = 1024;
/// A database that could not be opened is not tried again sooner.
inline constexpr Duration kReopenPause = std::chrono::seconds(2);

/// "database-head" of the sealed state: how far the history had come (store::HistoryHead).
std::vector<std::uint8_t> encode_head(const store::HistoryHead& head);
/// state_corrupt.
Result<store::HistoryHead> decode_head(std::span<const std::uint8_t> bytes);

/// The key of the database, drawn where there is none yet. state_corrupt when it is missing although there is
/// a head.
Result<SecretBytes<32>> database_key(store::SealedStore& sealed, RandomSource& random);
/// Nothing before the first change.
Result<std::optional<store::HistoryHead>> known_head(store::SealedStore& sealed);

class DatabaseThread {
 public:
  using Known = std::optional<store::HistoryHead>;
  /// Runs on the thread.
  using Opener = std::function<Result<std::unique_ptr<store::ConfigDatabase>>(const Known& known)>;

  /// `sealed` keeps the head; it and the loop outlive this.
  DatabaseThread(io::Loop& loop, store::SealedStore& sealed, Opener opener, Known known);

  /// As DatabaseJob says. What waits when this ends is dropped.
  void run(DatabaseJob job);
  [[nodiscard]] const DatabaseState& state() const { return state_; }
  /// Called on the loop when state() has changed.
  void on_state_change(std::function<void()> handler) { changed_ = std::move(handler); }

 private:
  // What the thread alone touches.
  struct Inside {
    Opener opener;
    Known known;
    std::unique_ptr<store::ConfigDatabase> database;
    std::optional<Error> failure;
    Instant not_before;

    Result<store::ConfigDatabase*> reach();
  };
  struct Report {
    DatabaseState state;
    Known head;
  };
  void take(Report report);

  store::SealedStore& sealed_;
  std::shared_ptr<Inside> inside_;
  Known stored_;
  DatabaseState state_;
  std::function<void()> changed_;
  service::AsideWorker worker_;
};

}  // namespace akm::root
