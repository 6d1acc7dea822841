#include "daemon/store/config_database.h"

#include "tests/unit/store/database_suite.h"

using namespace akm;
using namespace akm::store;
using namespace akm::test;

DATABASE_TEST(config_database, a_record_is_there_after_a_restart) {
  const Fields fields{{"name", "n\xc3\xb6rd"}, {"endpoints", "192.0.2.1:7400"}, {"note", "\"quoted\" \\"}};
  set(*bench.open(), RecordKind::nmm, 0xa1, fields);
  const auto database = bench.open();
  const auto found = database->get(RecordKind::nmm, 0xa1);
  cr_assert(found.has_value());
  cr_assert(*found == (ConfigRecord{RecordKind::nmm, 0xa1, 1, fields}));
  cr_assert_eq(database->head().revision, 1);
  cr_assert(database->get(RecordKind::node, 0xa1).error().code == Errc::not_found);
}

DATABASE_TEST(config_database, what_changes_nothing_leaves_no_row) {
  const auto database = bench.open();
  set(*database, RecordKind::policy, 1, {{"nnrt_ms", "2000"}});
  set(*database, RecordKind::policy, 1, {{"nnrt_ms", "2000"}});
  cr_assert_eq(database->head().revision, 1);
  remove(*database, RecordKind::policy, 2);
  cr_assert_eq(database->head().revision, 1);
}

DATABASE_TEST(config_database, lists_come_in_pages_by_id) {
  const auto database = bench.open();
  const std::uint64_t high = 0xfedcba9876543210;  // beyond what is positive as a signed number
  for (const std::uint64_t id : {high, std::uint64_t{10}, std::uint64_t{9}})
    set(*database, RecordKind::node, id, {});
  set(*database, RecordKind::asr, 11, {});
  const auto first = database->list(RecordKind::node, 0, 2);
  cr_assert(first.has_value());
  cr_assert_eq(first->size(), 2);
  cr_assert_eq((*first)[0].id, 9);
  cr_assert_eq((*first)[1].id, 10);
  const auto second = database->list(RecordKind::node, 10, 2);
  cr_assert_eq(second->size(), 1);
  cr_assert_eq((*second)[0].id, high);
  cr_assert(database->list(RecordKind::node, high)->empty());
  cr_assert(!database->list(RecordKind::node, 0, 0));
  cr_assert(!database->list(RecordKind::node, 0, kPageMax + 1));
}

DATABASE_TEST(config_database, edits_are_made_together_or_not_at_all) {
  auto database = bench.open();
  set(*database, RecordKind::domain, 1, {{"name", "old"}});
  const std::array edits{Edit{RecordKind::domain, 1, Fields{{"name", "new"}}, {}},
                         Edit{RecordKind::node, 7, Fields{}, std::uint64_t{99}}};
  const auto refused = database->apply(edits, "uid 0 (root)");
  cr_assert(refused.error().code == Errc::busy);
  cr_assert(database->get(RecordKind::domain, 1)->fields.at("name") == "old");
  cr_assert_eq(database->head().revision, 1);
  database.reset();
  cr_assert_eq(bench.open()->head().revision, 1, "and the history is whole");
}

DATABASE_TEST(config_database, an_editor_who_saw_an_older_revision_is_told) {
  const auto database = bench.open();
  Edit edit{RecordKind::node, 7, Fields{{"name", "a"}}, std::uint64_t{0}};
  cr_assert(database->apply(std::span(&edit, 1), "uid 1 (a)").has_value());
  cr_assert(database->apply(std::span(&edit, 1), "uid 1 (a)").error().code == Errc::busy);
  edit.after->at("name") = "b";
  edit.expected_revision = 1;
  cr_assert_eq(*database->apply(std::span(&edit, 1), "uid 1 (a)"), 2);
}

DATABASE_TEST(config_database, refuses_what_is_out_of_bounds) {
  const auto database = bench.open();
  const auto code_of = [&](const Edit& edit, std::string_view who = "uid 0") {
    const auto done = database->apply(std::span(&edit, 1), who);
    return done ? std::optional<Errc>() : std::optional(done.error().code);
  };
  cr_assert(code_of({RecordKind::domain, 2, Fields{}, {}}) == Errc::invalid_argument);
  cr_assert(code_of({RecordKind::node, 0, Fields{}, {}}) == Errc::invalid_argument);
  cr_assert(code_of({RecordKind::node, 1, Fields{{"Name", "x"}}, {}}) == Errc::invalid_argument);
  cr_assert(code_of({RecordKind::node, 1, Fields{{"name", "a\nb"}}, {}}) == Errc::invalid_argument);
  cr_assert(code_of({RecordKind::node, 1, Fields{{"name", "\xff"}}, {}}) == Errc::invalid_argument);
  cr_assert(code_of({RecordKind::node, 1, Fields{{"a", std::string(kFieldValueBytes + 1, 'x')}}, {}}) ==
            Errc::too_large);
  cr_assert(code_of({RecordKind::node, 1, Fields{}, {}}, "") == Errc::invalid_argument);
  cr_assert(code_of({RecordKind::node, 1, Fields{}, {}}, "a\x1b[31m") == Errc::invalid_argument);
  const std::vector<Edit> many(kEditsMax + 1, Edit{RecordKind::node, 1, Fields{}, {}});
  cr_assert(database->apply(many, "uid 0").error().code == Errc::limit_exceeded);
  cr_assert_eq(database->head().revision, 0);
  cr_assert(code_of({RecordKind::node, 1, Fields{{"a", std::string(kFieldValueBytes, 'x')}}, {}}) ==
            std::nullopt);
}

DATABASE_TEST(config_database, one_root_at_a_time_has_it) {
  const auto database = bench.open();
  const auto second = bench.try_open();
  cr_assert(!second);
  cr_assert(second.error().code == Errc::busy, "%s", second.error().message().c_str());
}

DATABASE_TEST(config_database, made_by_a_newer_version_is_left_alone) {
  bench.open();
  {
    auto session = bench.session();
    cr_assert((*session)->write([&] { return (*session)->set_schema_version(99); }).has_value());
  }
  const auto opened = bench.try_open();
  cr_assert(opened.error().code == Errc::newer_version, "%s", opened.error().message().c_str());
}
