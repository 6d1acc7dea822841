#include "daemon/root/configuration.h"

#include <criterion/criterion.h>

#include <array>

#include "daemon/store/sqlite_session.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::root;
using namespace akm::test;
using Kind = store::RecordKind;

namespace {

// The database at once, without a thread.
struct Bench {
  TemporaryFolder folder;
  SystemRandom random;
  std::unique_ptr<store::ConfigDatabase> database;
  std::optional<Error> away;
  Configuration configuration;
  int changes = 0;

  Bench()
      : configuration(
            [this](DatabaseJob job) {
              auto after =
                  job(away ? Result<store::ConfigDatabase*>(std::unexpected(*away)) : database.get());
              if (after) after();
            },
            protocol::Policy{}) {
    database = std::move(*store::ConfigDatabase::open(std::move(*store::open_sqlite(folder.file("root.db"))),
                                                      SecretBytes<32>(), random));
    configuration.on_change([this] { ++changes; });
  }
  Result<std::uint64_t> set(Kind kind, std::uint64_t id, store::Fields changes_to,
                            std::optional<std::uint64_t> expected = {}) {
    Result<std::uint64_t> out = fail(Errc::internal);
    configuration.set(kind, id, std::move(changes_to), expected, "uid 0",
                      [&](Result<std::uint64_t> revision) { out = std::move(revision); });
    return out;
  }
  store::Fields fields(Kind kind, std::uint64_t id) const {
    const auto record = database->get(kind, id);
    return record ? record->fields : store::Fields{{"not", "there"}};
  }
  void nmm(std::uint64_t id, store::Fields with) const {
    const store::Edit edit{Kind::nmm, id, std::move(with), {}};
    cr_assert(database->apply({&edit, 1}, "root").has_value());
  }
};

}  // namespace

Test(configuration, fields_are_changed_one_by_one) {
  Bench bench;
  cr_assert_eq(*bench.set(Kind::node, 7, {{"name", "a"}, {"site", "x"}}), 1);
  cr_assert_eq(*bench.set(Kind::node, 7, {{"site", ""}, {"room", "2"}}, 1), 2);
  cr_assert(bench.fields(Kind::node, 7) == (store::Fields{{"name", "a"}, {"room", "2"}}));
  cr_assert(bench.set(Kind::node, 7, {{"name", "b"}}, 1).error().code == Errc::busy);
}

Test(configuration, a_policy_that_does_not_hold_is_refused) {
  Bench bench;
  cr_assert(bench.set(Kind::policy, 1, {{"rekey_interval_s", "600"}}).has_value());
  cr_assert(bench.set(Kind::policy, 1, {{"rekey_interval_s", "soon"}}).error().code ==
            Errc::invalid_argument);
  cr_assert(bench.set(Kind::policy, 1, {{"no_such_field", "1"}}).error().code == Errc::invalid_argument);
  cr_assert(bench.fields(Kind::policy, 1) == (store::Fields{{"rekey_interval_s", "600"}}));
}

Test(configuration, the_nearest_policy_is_in_force) {
  Bench bench;
  bench.nmm(0xa1, {{"name", "north"}});
  const auto interval = [&] { return bench.configuration.policy_of(0xa1).rekey_interval_s; };
  cr_assert_eq(interval(), 3600);
  cr_assert(bench.set(Kind::policy, 1, {{"rekey_interval_s", "600"}}).has_value());
  cr_assert(bench.set(Kind::policy, 2, {{"rekey_interval_s", "60"}}).has_value());
  cr_assert_eq(interval(), 3600);
  cr_assert(bench.set(Kind::domain, 1, {{"policy", "0000000000000001"}}).has_value());
  cr_assert_eq(interval(), 600);
  cr_assert(bench.set(Kind::nmm, 0xa1, {{"policy", "0000000000000002"}}).has_value());
  cr_assert_eq(interval(), 60);
  cr_assert(bench.set(Kind::nmm, 0xa1, {{"policy", "two"}}).error().code == Errc::invalid_argument);
}

Test(configuration, what_the_root_keeps_of_an_nmm_is_not_set_by_hand) {
  Bench bench;
  bench.nmm(0xa1, {{"name", "north"}, {"serial", "3"}});
  cr_assert(bench.set(Kind::nmm, 0xa1, {{"serial", "9"}}).error().code == Errc::refused_by_policy);
  cr_assert(bench.set(Kind::nmm, 0xa2, {{"site", "x"}}).error().code == Errc::not_found);
  Errc code = Errc::internal;
  bench.configuration.remove(Kind::nmm, 0xa1, "uid 0",
                             [&](const Result<std::uint64_t>& done) { code = done.error().code; });
  cr_assert(code == Errc::refused_by_policy);
  bench.configuration.remove(Kind::node, 0xa1, "uid 0",
                             [&](const Result<std::uint64_t>& done) { code = done.error().code; });
  cr_assert(code == Errc::not_found);
}

Test(configuration, a_rollback_leaves_nmms_alone) {
  Bench bench;
  cr_assert(bench.set(Kind::node, 7, {{"name", "a"}}).has_value());
  bench.nmm(0xa1, {{"serial", "2"}});
  Result<std::uint64_t> back = fail(Errc::internal);
  bench.configuration.rollback(0, "uid 0", [&](Result<std::uint64_t> done) { back = std::move(done); });
  cr_assert_eq(*back, 3);
  cr_assert(!bench.database->get(Kind::node, 7));
  cr_assert(bench.fields(Kind::nmm, 0xa1) == (store::Fields{{"serial", "2"}}));
  std::vector<store::Change> rows;
  bench.configuration.history(2, [&](Result<std::vector<store::Change>> found) { rows = std::move(*found); });
  cr_assert_eq(rows.size(), 1);
  std::vector<store::FieldDifference> differences;
  bench.configuration.diff(
      1, 3, [&](Result<std::vector<store::FieldDifference>> found) { differences = std::move(*found); });
  cr_assert_eq(differences.size(), 2);
}

Test(configuration, an_answer_is_bounded_and_hides_what_is_not_for_people) {
  Bench bench;
  std::vector<store::ReportRow> rows;
  for (std::uint64_t id = 1; id <= kAnswerRows + 1; ++id) {
    rows.push_back({0xa1, Kind::node, id, 1, 0, {{"entry", std::string(90'000, '0')}, {"name", "n"}}});
  }
  cr_assert(bench.database->put_reports(rows).has_value());
  std::vector<store::ReportRow> found;
  bench.configuration.reports(Kind::node, 0, 0, 0,
                              [&](Result<std::vector<store::ReportRow>> page) { found = std::move(*page); });
  cr_assert_eq(found.size(), kAnswerRows);
  cr_assert(found[0].fields == (store::Fields{{"name", "n"}}));
  for (std::uint64_t id = 1; id <= 60; ++id) {
    cr_assert(bench.set(Kind::node, id, {{"a", std::string(90'000, 'x')}}).has_value());
  }
  std::vector<store::ConfigRecord> records;
  bench.configuration.list(
      Kind::node, 0, [&](Result<std::vector<store::ConfigRecord>> page) { records = std::move(*page); });
  cr_assert_eq(records.size(), kAnswerBytes / 90'001);
}

Test(configuration, a_database_that_is_away_is_said) {
  Bench bench;
  bench.away = Error{Errc::unreachable, "the server"};
  cr_assert(bench.set(Kind::node, 7, {{"name", "a"}}).error().code == Errc::unreachable);
  Errc code = Errc::internal;
  bench.configuration.get(Kind::node, 7,
                          [&](const Result<store::ConfigRecord>& found) { code = found.error().code; });
  cr_assert(code == Errc::unreachable);
  bench.configuration.incidents(
      0, 0, [&](const Result<std::vector<store::IncidentRow>>& found) { cr_assert(!found); });
  bench.configuration.load();
  cr_assert_eq(bench.changes, 0);
}

Test(configuration, one_that_was_away_is_read_when_it_is_back_and_once) {
  Bench bench;
  const std::array edits{store::Edit{Kind::policy, 1, store::Fields{{"rekey_interval_s", "600"}}, {}},
                         store::Edit{Kind::domain, 1, store::Fields{{"policy", "0000000000000001"}}, {}}};
  cr_assert(bench.database->apply(edits, "root").has_value());
  bench.away = Error{Errc::unreachable, "the server"};
  bench.configuration.load();
  cr_assert_eq(bench.configuration.policy_of(0xa1).rekey_interval_s, 3600);
  bench.away.reset();
  bench.configuration.load();
  cr_assert_eq(bench.configuration.policy_of(0xa1).rekey_interval_s, 600);
  cr_assert_eq(bench.changes, 1);
  bench.configuration.load();
  cr_assert_eq(bench.changes, 1);
}

Test(configuration, what_is_no_policy_tells_nobody) {
  Bench bench;
  bench.configuration.load();
  cr_assert_eq(bench.changes, 1, "the standard policy may be another one than before the start");
  cr_assert(bench.set(Kind::node, 7, {{"site", "x"}}).has_value());
  cr_assert(bench.set(Kind::domain, 1, {{"name", "d"}}).has_value());
  cr_assert_eq(bench.changes, 1);
  cr_assert(bench.set(Kind::policy, 1, {{"rekey_interval_s", "600"}}).has_value());
  cr_assert_eq(bench.changes, 2);
}

Test(configuration, what_records_say_of_an_nmms_nodes_is_gathered) {
  Bench bench;
  int records = 0;
  bench.configuration.on_records([&records] { ++records; });
  bench.nmm(0xa1, {{"name", "north"}});
  const store::Fields pump{
      {"name", "pump-7"}, {"nmm", "00000000000000a1"}, {"endpoints", "10.0.0.7:7400,nowhere,10.0.0.8:7400"}};
  cr_assert(bench.set(Kind::node, 7, pump).has_value());
  cr_assert(bench.set(Kind::node, 8, {{"name", "../x"}, {"nmm", "00000000000000a1"}}).has_value());
  cr_assert(bench.set(Kind::node, 9, {{"name", "other"}, {"nmm", "00000000000000a2"}}).has_value());
  cr_assert(bench.set(Kind::policy, 1, {{"rekey_interval_s", "600"}}).has_value());
  cr_assert(
      bench.set(Kind::asr, 5, {{"nmm", "00000000000000a1"}, {"policy", "0000000000000001"}}).has_value());
  cr_assert(bench.set(Kind::asr, 6, {{"nmm", "00000000000000a1"}}).has_value());
  const auto all = bench.configuration.of_nmm(0xa1);
  cr_assert_eq(all.nodes.size(), 1U, "a name that no node can have is left out");
  cr_assert(all.nodes[0] == (protocol::ExpectedNode{7, "pump-7", {"10.0.0.7:7400", "10.0.0.8:7400"}}));
  cr_assert_eq(all.policies.size(), 1U);
  cr_assert_eq(all.policies[0].first, 5U);
  cr_assert(all.policies[0].second == (protocol::PolicyText{{"rekey_interval_s", "600"}}));
  cr_assert(bench.configuration.of_nmm(0xa3).empty());
  const int before = records;
  const int policies = bench.changes;
  cr_assert(bench.set(Kind::node, 7, {{"name", "pump-8"}}).has_value());
  cr_assert_eq(records, before + 1);
  cr_assert_eq(bench.changes, policies, "no NMM is told its policy for that");
  cr_assert(bench.set(Kind::node, 7, {{"site", "x"}}).has_value());
  cr_assert_eq(records, before + 1, "nothing that an NMM is told");
}

Test(configuration, the_history_is_pruned_on_request_only) {
  Bench bench;
  for (int i = 0; i < 5; ++i) cr_assert(bench.set(Kind::node, 7, {{"n", std::to_string(i)}}).has_value());
  Result<std::uint64_t> rows = fail(Errc::internal);
  bench.configuration.prune(5, "uid 0", [&](Result<std::uint64_t> r) { rows = std::move(r); });
  cr_assert(rows.error().code == Errc::invalid_argument);
  bench.configuration.prune(3, "uid 0", [&](Result<std::uint64_t> r) { rows = std::move(r); });
  cr_assert_eq(*rows, 3U);
  cr_assert_eq(bench.database->pruned_to(), 3U);
}
