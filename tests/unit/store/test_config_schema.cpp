#include "daemon/store/config_schema.h"

#include "tests/unit/store/database_suite.h"

using namespace akm;
using namespace akm::store;
using namespace akm::test;

namespace {

const std::vector<SchemaStep> kGrown{
    config_schema()[0],
    {"CREATE TABLE later (name :text NOT NULL, amount :int NOT NULL, raw :bytes NOT NULL) :strict",
     "INSERT INTO later (name, amount, raw) VALUES ('a', 3, :none)"},
    {"UPDATE later SET amount = amount + 1"}};

std::unique_ptr<SqlSession> session_of(DatabaseBench& bench) {
  auto session = bench.session();
  cr_assert(session.has_value(), "%s", session ? "" : session.error().message().c_str());
  return std::move(*session);
}

}  // namespace

DATABASE_TEST(config_schema, grows_step_by_step) {
  const auto session = session_of(bench);
  cr_assert_eq(*session->schema_version(), 0);
  cr_assert(migrate(*session, std::span(kGrown).first(1)).has_value());
  cr_assert_eq(*session->schema_version(), 1);
  cr_assert(migrate(*session, kGrown).has_value());
  cr_assert(migrate(*session, kGrown).has_value(), "the steps are taken once");
  cr_assert_eq(*session->schema_version(), 3);
  const auto rows = session->run("SELECT amount FROM later");
  cr_assert_eq(sql_integer(rows->at(0).at(0)), 4);
}

DATABASE_TEST(config_schema, a_step_that_fails_leaves_nothing) {
  const auto session = session_of(bench);
  std::vector<SchemaStep> steps{kGrown[0], {"CREATE TABLE half (name :text) :strict", "no statement"}};
  cr_assert(!migrate(*session, steps));
  cr_assert_eq(*session->schema_version(), 1);
  cr_assert(!session->run("SELECT name FROM half"));
}

DATABASE_TEST(config_schema, what_is_newer_is_refused) {
  const auto session = session_of(bench);
  cr_assert(migrate(*session, kGrown).has_value());
  const Status older = migrate(*session, std::span(kGrown).first(2));
  cr_assert(older.error().code == Errc::newer_version);
  cr_assert_eq(*session->schema_version(), 3);
}
