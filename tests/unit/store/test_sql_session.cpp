#include "daemon/store/sql_session.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::store;

namespace {

// Answers from a script, and keeps what was said.
class ScriptedSession final : public SqlSession {
 public:
  [[nodiscard]] Dialect dialect() const override { return Dialect::postgresql; }
  [[nodiscard]] const std::string& description() const override { return name_; }
  using SqlSession::run;
  Result<SqlRows> run(const std::string& sql, std::span<const SqlValue> parameters) override {
    said.push_back(sql);
    if (sql.starts_with("UPDATE meta")) mark_ = std::get<SqlBytes>(parameters[0]);
    if (sql == "COMMIT" && commit_takes_hold) stored_ = mark_;
    if (sql.starts_with("SELECT value")) return SqlRows{{stored_}};
    if (!failures.empty() && failures.front().first == sql) {
      const Errc code = failures.front().second;
      failures.erase(failures.begin());
      return fail(code);
    }
    return SqlRows{};
  }
  Result<std::uint32_t> schema_version() override { return 0; }
  Status set_schema_version(std::uint32_t) override { return {}; }

  std::vector<std::string> said;
  std::vector<std::pair<std::string, Errc>> failures;
  bool commit_takes_hold = true;
  int reconnects = 0;
  bool server_is_gone = false;

 protected:
  [[nodiscard]] std::string begin_statement(Mode mode) const override {
    return mode == Mode::write ? "BEGIN WRITE" : "BEGIN READ";
  }
  Status reconnect() override {
    ++reconnects;
    return server_is_gone ? fail(Errc::unreachable) : Status{};
  }

 private:
  std::string name_ = "scripted";
  SqlBytes mark_;
  SqlBytes stored_;
};

struct Counted {
  int times = 0;
  SqlSession::Work work(Status result = {}) {
    return [this, result] {
      ++times;
      return result;
    };
  }
};

}  // namespace

Test(sql_session, values_of_another_type_are_empty) {
  cr_assert_eq(sql_integer(SqlValue(std::int64_t{5})), 5);
  cr_assert_eq(sql_integer(SqlValue(std::string("5"))), 0);
  cr_assert_eq(sql_text(SqlValue(std::string("a"))), "a");
  cr_assert(sql_text(SqlValue()).empty());
  cr_assert_eq(sql_bytes(SqlValue(SqlBytes{1, 2})).size(), 2);
  cr_assert(sql_bytes(SqlValue(std::string("a"))).empty());
  cr_assert(sql_is_null(SqlValue()));
}

Test(sql_session, a_serialisation_failure_is_tried_again) {
  ScriptedSession session;
  session.failures = {{"COMMIT", Errc::interrupted}, {"COMMIT", Errc::interrupted}};
  session.commit_takes_hold = false;
  Counted counted;
  cr_assert(session.write(counted.work()).has_value());
  cr_assert_eq(counted.times, 3);
  cr_assert_eq(std::ranges::count(session.said, "ROLLBACK"), 2);
}

Test(sql_session, at_last_it_is_busy) {
  ScriptedSession session;
  session.failures.assign(kTransactionTries, {"COMMIT", Errc::interrupted});
  session.commit_takes_hold = false;
  Counted counted;
  cr_assert(session.write(counted.work()).error().code == Errc::busy);
  cr_assert_eq(counted.times, kTransactionTries);
}

Test(sql_session, an_error_of_the_work_is_not_tried_again) {
  ScriptedSession session;
  Counted counted;
  cr_assert(session.write(counted.work(fail(Errc::busy))).error().code == Errc::busy);
  cr_assert_eq(counted.times, 1);
  cr_assert_eq(session.said.back(), "ROLLBACK");
}

Test(sql_session, a_lost_connection_is_made_anew) {
  ScriptedSession session;
  session.failures = {{"BEGIN WRITE", Errc::unreachable}};
  Counted counted;
  cr_assert(session.write(counted.work()).has_value());
  cr_assert_eq(session.reconnects, 1);
  cr_assert_eq(counted.times, 1);
  session.failures = {{"BEGIN READ", Errc::unreachable}};
  cr_assert(session.read(counted.work()).has_value());
  cr_assert_eq(session.reconnects, 2);
}

Test(sql_session, a_commit_without_answer_that_took_hold_is_not_repeated) {
  ScriptedSession session;
  session.failures = {{"COMMIT", Errc::unreachable}};
  Counted counted;
  cr_assert(session.write(counted.work()).has_value());
  cr_assert_eq(counted.times, 1);
}

Test(sql_session, a_commit_without_answer_that_was_lost_is_repeated) {
  ScriptedSession session;
  session.failures = {{"COMMIT", Errc::unreachable}};
  session.commit_takes_hold = false;
  Counted counted;
  cr_assert(session.write(counted.work()).has_value());
  cr_assert_eq(counted.times, 2);
}

Test(sql_session, a_server_that_stays_away_is_said) {
  ScriptedSession session;
  session.failures = {{"BEGIN WRITE", Errc::unreachable}, {"BEGIN READ", Errc::unreachable}};
  session.server_is_gone = true;
  Counted counted;
  cr_assert(session.write(counted.work()).error().code == Errc::unreachable);
  cr_assert(session.read(counted.work()).error().code == Errc::unreachable);
  cr_assert_eq(counted.times, 0);
  cr_assert(session.away()->code == Errc::unreachable);
  cr_assert(session.read(counted.work()).has_value());
  cr_assert(!session.away());
}

Test(sql_session, one_statement_is_a_transaction_too) {
  ScriptedSession session;
  cr_assert(session.ask("SELECT 1").has_value());
  cr_assert(session.said == (std::vector<std::string>{"BEGIN READ", "SELECT 1", "COMMIT"}));
}
