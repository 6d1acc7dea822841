#include "daemon/root/database_thread.h"

#include <criterion/criterion.h>
#include <poll.h>

#include "daemon/store/sqlite_session.h"
#include "tests/support/fake_loop.h"
#include "tests/support/memory_store.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::root;
using namespace akm::test;

namespace {

struct Bench {
  TemporaryFolder folder;
  FakeLoop loop;
  MemoryStore sealed;
  SystemRandom random;
  std::optional<Error> refusal;
  std::unique_ptr<DatabaseThread> thread;

  Bench() { open(); }
  void open() {
    thread.reset();
    const auto known = known_head(sealed);
    cr_assert(known.has_value());
    const auto key = std::make_shared<SecretBytes<32>>(std::move(*database_key(sealed, random)));
    thread = std::make_unique<DatabaseThread>(
        loop, sealed,
        [this, key](const DatabaseThread::Known& head) -> Result<std::unique_ptr<store::ConfigDatabase>> {
          if (refusal) return std::unexpected(*refusal);
          AKM_ASSIGN(auto session, store::open_sqlite(folder.file("root.db")));
          return store::ConfigDatabase::open(std::move(session), *key, random, head);
        },
        *known);
  }
  /// Runs a job to its end; false when the database was not there.
  bool run(std::move_only_function<void(store::ConfigDatabase&)> work) {
    bool done = false;
    bool there = false;
    thread->run([&, work = std::move(work)](
                    Result<store::ConfigDatabase*> database) mutable -> std::move_only_function<void()> {
      there = database.has_value();
      if (database) work(**database);
      return [&done] { done = true; };
    });
    while (!done) {
      pollfd ready{loop.watches.begin()->second.fd, POLLIN, 0};
      cr_assert_eq(::poll(&ready, 1, 10'000), 1);
      loop.watches.begin()->second.handler(POLLIN);
    }
    return there;
  }
};

void change(store::ConfigDatabase& database, const std::string& name) {
  const store::Edit edit{store::RecordKind::node, 1, store::Fields{{"name", name}}, {}};
  cr_assert(database.apply({&edit, 1}, "uid 0").has_value());
}

}  // namespace

Test(database_thread, the_head_is_kept_before_anybody_hears_of_the_change) {
  Bench bench;
  cr_assert(bench.run([](store::ConfigDatabase& database) { change(database, "a"); }));
  cr_assert_eq(bench.thread->state().revision, 1);
  cr_assert_eq(bench.thread->state().description, "sqlite " + bench.folder.file("root.db"));
  const auto head = known_head(bench.sealed);
  cr_assert(head && *head && (*head)->revision == 1);
  bench.open();
  cr_assert(bench.run([](store::ConfigDatabase& database) { cr_assert_eq(database.head().revision, 1); }));
}

Test(database_thread, a_database_that_was_put_back_is_refused) {
  Bench bench;
  cr_assert(bench.run([](store::ConfigDatabase& database) { change(database, "a"); }));
  bench.thread.reset();
  const std::string path = bench.folder.file("root.db");
  std::filesystem::copy_file(path, path + ".old");
  bench.open();
  cr_assert(bench.run([](store::ConfigDatabase& database) { change(database, "b"); }));
  bench.thread.reset();
  std::filesystem::rename(path + ".old", path);
  bench.open();
  cr_assert_not(bench.run([](store::ConfigDatabase&) {}));
  cr_assert(bench.thread->state().failure->code == Errc::state_corrupt);
}

Test(database_thread, one_that_is_away_is_said_and_found_again) {
  Bench bench;
  int changes = 0;
  bench.thread->on_state_change([&] { ++changes; });
  bench.refusal = Error{Errc::unreachable, "the server"};
  cr_assert_not(bench.run([](store::ConfigDatabase&) {}));
  cr_assert(bench.thread->state().failure->code == Errc::unreachable);
  cr_assert_eq(changes, 1);
  bench.refusal.reset();
  // Not sooner than after the pause.
  cr_assert_not(bench.run([](store::ConfigDatabase&) {}));
  while (!bench.run([](store::ConfigDatabase&) {})) ::poll(nullptr, 0, 50);
  cr_assert(!bench.thread->state().failure);
  cr_assert_eq(changes, 2);
}

Test(database_thread, when_too_many_wait_each_is_still_answered) {
  Bench bench;
  std::size_t refused = 0;
  const std::size_t over = kDatabaseQueue + 3;
  for (std::size_t i = 0; i < over; ++i) {
    bench.thread->run(
        [&refused](const Result<store::ConfigDatabase*>& database) -> std::move_only_function<void()> {
          const bool busy = !database && database.error().code == Errc::busy;
          return [&refused, busy] { refused += busy ? 1 : 0; };
        });
  }
  cr_assert_eq(refused, 3);
}

Test(database_thread, the_head_is_of_one_length) {
  store::HistoryHead head;
  head.revision = 0x0102030405060708;
  head.digest.fill(7);
  head.secrets_written = 9;
  const auto bytes = encode_head(head);
  cr_assert(*decode_head(bytes) == head);
  cr_assert(!decode_head(std::span(bytes).first(bytes.size() - 1)));
  cr_assert(!decode_head({}));
}

Test(database_thread, a_key_that_is_missing_is_not_drawn_again) {
  MemoryStore sealed;
  SystemRandom random;
  const auto key = database_key(sealed, random);
  cr_assert(key.has_value());
  cr_assert(*database_key(sealed, random) == *key);
  cr_assert(sealed.write("database-head", encode_head({})).has_value());
  cr_assert(sealed.remove("database-key").has_value());
  cr_assert(database_key(sealed, random).error().code == Errc::state_corrupt);
}
