#include "daemon/root/report_rows.h"

#include <criterion/criterion.h>

#include "daemon/protocol/limits.h"
#include "daemon/root/root_core.h"
#include "daemon/store/sqlite_session.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/nmm/memory_store.h"

using namespace akm;
using namespace akm::root;
using akm::nmm::test::SeededRandom;

namespace {

struct Fixture {
  akm::test::TemporaryFolder folder;
  SeededRandom random{1};
  std::unique_ptr<store::ConfigDatabase> database;
  Fixture() {
    SecretBytes<32> key;
    database = std::move(
        *store::ConfigDatabase::open(std::move(*store::open_sqlite(folder.file("root.db"))), key, random));
  }
};

protocol::ReportedNode node(protocol::NodeId id, std::uint64_t change) {
  protocol::ReportedNode out;
  out.id = id;
  out.change = change;
  out.provisioning_asr = 1000 + id;
  out.name = "n" + std::to_string(id);
  out.newest.serial = 1;
  return out;
}

protocol::ReportedAsr asr(protocol::AsrId id, std::uint64_t change, std::size_t members) {
  protocol::ReportedAsr out;
  out.id = id;
  out.change = change;
  out.label = "asr";
  out.generation = 1;
  for (std::size_t i = 0; i < members; ++i)
    out.roster.emplace_back(static_cast<std::uint16_t>(i), UINT64_MAX - i);
  return out;
}

std::vector<protocol::NumberedSecret> secret(std::uint32_t number, std::uint8_t byte) {
  std::vector<protocol::NumberedSecret> out(1);
  out[0].number = number;
  std::ranges::fill(out[0].secret.reveal_mutable(), byte);
  return out;
}

}  // namespace

Test(report_rows, a_report_is_stored_once_and_older_news_changes_nothing) {
  Fixture f;
  protocol::ReportRequest report;
  report.last = report.upto = 5;
  report.nodes = {node(7, 5)};
  report.incidents = {
      {.change = 4, .name = "node-silent", .severity = 4, .node_id = 7, .facts = {{"why", "x"}}}};
  cr_assert(store_report(*f.database, 9, report));
  cr_assert(store_report(*f.database, 9, report), "the same once more");
  cr_assert_eq(*acknowledged(*f.database, 9), 5U);
  cr_assert_eq(f.database->incidents()->size(), 1U);
  // When they came, for people: what was never set shows as 1970.
  constexpr std::int64_t k2020 = std::int64_t{1'577'836'800} * 1'000'000'000;
  cr_assert_gt(f.database->incidents()->front().unix_ns, k2020);
  cr_assert_gt(f.database->reports(store::RecordKind::node, 9)->front().unix_ns, k2020);
  report.nodes[0].change = 3;
  report.nodes[0].name = "older";
  cr_assert(store_report(*f.database, 9, report));
  cr_assert_eq(f.database->reports(store::RecordKind::node, 9)->front().fields.at("name"), "n7");
  report.last = 4;
  cr_assert(store_report(*f.database, 9, report).error().code == Errc::stale_generation);
}

Test(report_rows, records_come_back_in_pages_without_what_is_gone) {
  Fixture f;
  protocol::ReportRequest report;
  report.last = report.upto = 600;
  for (std::uint64_t id = 1; id <= 400; ++id) report.nodes.push_back(node(id, id));
  for (std::uint64_t id = 1; id <= 3; ++id) report.asrs.push_back(asr(id, 500 + id, 3000));
  report.gone = {{550, 2}};
  report.asrs.erase(report.asrs.begin() + 1);
  cr_assert(store_report(*f.database, 9, report));
  protocol::RecordsRequest ask;
  std::vector<protocol::ReportedNode> nodes;
  bool more = true;
  while (more) {
    const auto page = read_records(*f.database, 9, ask);
    cr_assert(page);
    cr_assert_leq(page->encode().size(), protocol::limits::kRequestBodyBytes);
    cr_assert_not(page->nodes.empty());
    nodes.insert(nodes.end(), page->nodes.begin(), page->nodes.end());
    ask.after = nodes.back().id;
    more = page->more;
  }
  cr_assert(nodes == report.nodes);
  const auto first = read_records(*f.database, 9, {protocol::RecordsKind::asrs, 0});
  cr_assert_eq(first->asrs.size(), 1U, "one is a page of its own");
  cr_assert(first->more);
  const auto last = read_records(*f.database, 9, {protocol::RecordsKind::asrs, 1});
  cr_assert_eq(last->asrs[0].id, 3U);
  cr_assert_not(last->more);
  protocol::ReportRequest other;
  other.last = other.upto = 1;
  other.nodes = {node(7, 1)};
  cr_assert(store_report(*f.database, 11, other));
  const auto known = read_reported(*f.database);
  cr_assert(known);
  cr_assert_eq(known->at(9).nodes.size(), 400U);
  cr_assert_eq(known->at(9).asrs.size(), 2U);
  cr_assert(known->at(11).nodes == std::set<protocol::NodeId>{7});
  cr_assert(read_records(*f.database, 8, {})->nodes.empty(), "of another NMM there is nothing");
}

Test(report_rows, secrets_that_an_nmm_hands_up_never_replace_others) {
  Fixture f;
  cr_assert(keep_secrets(*f.database, 9, secret(1, 7), false));
  cr_assert(keep_secrets(*f.database, 9, secret(1, 7), true), "the same again");
  cr_assert(keep_secrets(*f.database, 9, secret(1, 8), false).error().code == Errc::refused_by_policy);
  cr_assert(keep_secrets(*f.database, 9, secret(2, 8), true).error().code == Errc::refused_by_policy);
  const auto body = protocol::IssueRequest::decode(issue_body(*f.database, 9, {1}, true, 44)->reveal());
  cr_assert(body);
  cr_assert(body->restore);
  cr_assert_eq(body->incarnation, 44U);
  cr_assert(body->secrets[0].secret == secret(1, 7)[0].secret);
  const auto rest = protocol::IssueRequest::decode(issue_body(*f.database, 9, {1, 2}, true, 0)->reveal());
  cr_assert_eq(rest->secrets.size(), 1U, "one that was dropped is left out");
  cr_assert(issue_body(*f.database, 9, {2}, true, 0).error().code == Errc::not_found);
}

Test(report_rows, former_secrets_go_when_the_nmm_has_the_newest_and_not_them) {
  Fixture f;
  cr_assert(keep_secrets(*f.database, 9, secret(1, 1), false));
  cr_assert(keep_secrets(*f.database, 9, secret(2, 2), false));
  cr_assert_eq(drop_secrets(*f.database, 9, {1, 2}, {1})->size(), 2U, "it does not have the newest yet");
  cr_assert_eq(drop_secrets(*f.database, 9, {1, 2}, {1, 2})->size(), 2U);
  const auto left = drop_secrets(*f.database, 9, {1, 2}, {2});
  cr_assert_eq(left->size(), 1U);
  cr_assert_not(f.database->secret(secret_name(9, 1)).has_value());
  cr_assert(f.database->secret(secret_name(9, 2)));
}
