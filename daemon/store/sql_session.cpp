#include "daemon/store/sql_session.h"

#include <algorithm>

#include "daemon/base/random.h"

namespace akm::store {

std::int64_t sql_integer(const SqlValue& value) {
  const auto* held = std::get_if<std::int64_t>(&value);
  return held == nullptr ? 0 : *held;
}

std::string_view sql_text(const SqlValue& value) {
  const auto* held = std::get_if<std::string>(&value);
  return held == nullptr ? std::string_view{} : *held;
}

std::span<const std::uint8_t> sql_bytes(const SqlValue& value) {
  const auto* held = std::get_if<SqlBytes>(&value);
  return held == nullptr ? std::span<const std::uint8_t>{} : *held;
}

Status SqlSession::write_once(const Work& work, const Mark& mark, bool& commit_sent) {
  commit_sent = false;
  AKM_TRY(run(begin_statement(Mode::write)));
  Status done = work();
  // By this row a commit whose answer was lost is recognised. The table is there from the first migration on.
  if (done && dialect() == Dialect::postgresql) {
    const auto marked =
        run("UPDATE meta SET value = $1 WHERE name = 'last_write'", {SqlBytes(mark.begin(), mark.end())});
    if (!marked) done = std::unexpected(marked.error());
  }
  if (done) {
    commit_sent = true;
    const auto committed = run("COMMIT");
    if (committed) return {};
    done = std::unexpected(committed.error());
  }
  if (done.error().code != Errc::unreachable) (void)run("ROLLBACK");  // what began it is said, not this
  return done;
}

Result<bool> SqlSession::was_committed(const Mark& mark) {
  AKM_ASSIGN(const SqlRows rows, run("SELECT value FROM meta WHERE name = 'last_write'"));
  return rows.size() == 1 && std::ranges::equal(sql_bytes(rows[0][0]), mark);
}

Status SqlSession::note(Status done) {
  away_.reset();
  if (!done && done.error().code == Errc::unreachable) away_ = done.error();
  return done;
}

Status SqlSession::write(const Work& work) {
  return note(try_write(work));
}

Status SqlSession::read(const Work& work) {
  return note(try_read(work));
}

Status SqlSession::try_write(const Work& work) {
  Mark mark{};
  AKM_TRY(SystemRandom().fill(mark));
  Status done;
  for (int tries = 0; tries < kTransactionTries; ++tries) {
    bool commit_sent = false;
    done = write_once(work, mark, commit_sent);
    if (done) return done;
    if (done.error().code == Errc::interrupted) continue;
    if (done.error().code != Errc::unreachable) return done;
    AKM_TRY(reconnect());
    if (!commit_sent) continue;
    AKM_ASSIGN(const bool there, was_committed(mark));
    if (there) return {};
  }
  if (done.error().code == Errc::interrupted) return fail(Errc::busy, done.error().detail);
  return done;
}

Status SqlSession::try_read(const Work& work) {
  Status done;
  for (int tries = 0; tries < kTransactionTries; ++tries) {
    const auto begun = run(begin_statement(Mode::read));
    done = begun ? work() : Status(std::unexpected(begun.error()));
    if (done) {
      const auto ended = run("COMMIT");
      if (ended) return done;
      done = std::unexpected(ended.error());
    }
    if (done.error().code == Errc::unreachable) {
      AKM_TRY(reconnect());
      continue;
    }
    (void)run("ROLLBACK");  // what ended it is said, not this
    if (done.error().code != Errc::interrupted) return done;
  }
  return done;
}

Result<SqlRows> SqlSession::ask(const std::string& sql, std::initializer_list<SqlValue> parameters) {
  SqlRows rows;
  const Status done = read([&]() -> Status {
    AKM_ASSIGN(rows, run(sql, parameters));
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return rows;
}

}  // namespace akm::store
