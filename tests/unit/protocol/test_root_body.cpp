#include "daemon/protocol/root_body.h"

#include <criterion/criterion.h>

#include <algorithm>

#include "daemon/protocol/limits.h"
#include "tests/support/seeded_random.h"

using namespace akm;
using namespace akm::protocol;

namespace {

std::vector<NumberedSecret> secrets(std::initializer_list<std::uint32_t> numbers) {
  std::vector<NumberedSecret> out;
  for (const std::uint32_t number : numbers) {
    NumberedSecret& one = out.emplace_back();
    one.number = number;
    std::ranges::fill(one.secret.reveal_mutable(), static_cast<std::uint8_t>(number));
  }
  return out;
}

ReportRequest sample() {
  ReportRequest out;
  out.last = 12;
  out.upto = 9;
  out.lost = 2;
  out.roots = {1, 3};
  ReportedNode& node = out.nodes.emplace_back();
  node.change = 4;
  node.id = 7;
  node.provisioning_asr = 8;
  node.name = "pump";
  node.newest.serial = 1;
  ReportedAsr& asr = out.asrs.emplace_back();
  asr.change = 5;
  asr.id = 9;
  asr.label = "ring";
  asr.generation = 2;
  asr.roster = {{0, 7}, {1, 8}};
  out.gone = {{6, 10}};
  out.incidents = {{.change = 9, .name = "node-silent", .severity = 4, .node_id = 7, .facts = {{"a", "b"}}}};
  return out;
}

}  // namespace

Test(root_body, an_issue_comes_back_with_its_secrets) {
  IssueRequest issue{
      .nmm_id = 5, .restore = true, .secrets = secrets({1, 4}), .reported = 77, .incarnation = 9};
  const auto again = IssueRequest::decode(issue.encode().reveal());
  cr_assert(again);
  cr_assert_eq(again->nmm_id, 5U);
  cr_assert(again->restore);
  cr_assert_eq(again->secrets.size(), 2U);
  cr_assert_eq(again->secrets[1].number, 4U);
  cr_assert(again->secrets[1].secret == issue.secrets[1].secret);
  cr_assert_eq(again->reported, 77U);
  cr_assert_eq(again->incarnation, 9U);
}

Test(root_body, secrets_are_one_to_four_and_their_numbers_rise) {
  const auto decoded = [](std::initializer_list<std::uint32_t> numbers) {
    return AdoptRequest::decode(AdoptRequest{.nmm_id = 5, .secrets = secrets(numbers)}.encode().reveal());
  };
  cr_assert(decoded({1}));
  cr_assert(decoded({1, 2, 3, 4}));
  cr_assert_not(decoded({}).has_value());
  cr_assert_not(decoded({0}).has_value());
  cr_assert_not(decoded({2, 2}).has_value());
  cr_assert_not(decoded({3, 1}).has_value());
  cr_assert_not(decoded({1, 2, 3, 4, 5}).has_value());
  cr_assert_not(
      AdoptRequest::decode(AdoptRequest{.nmm_id = 0, .secrets = secrets({1})}.encode().reveal()).has_value());
}

Test(root_body, a_report_comes_back) {
  const ReportRequest report = sample();
  const auto again = ReportRequest::decode(report.encode());
  cr_assert(again);
  cr_assert(*again == report);
  cr_assert(*ReportRequest::decode(ReportRequest{}.encode()) == ReportRequest{});
}

Test(root_body, the_largest_relationship_fits) {
  ReportRequest report = sample();
  report.nodes.clear();
  report.asrs[0].roster.clear();
  for (std::uint16_t i = 0; i < limits::kMembers; ++i) report.asrs[0].roster.emplace_back(i, UINT64_MAX - i);
  const auto encoded = report.encode();
  cr_assert_leq(encoded.size(), limits::kRequestBodyBytes);
  cr_assert(*ReportRequest::decode(encoded) == report);
}

Test(root_body, the_small_ones_come_back) {
  cr_assert(*FenceRequest::decode(FenceRequest{3}.encode()) == FenceRequest{3});
  cr_assert(*ReportResponse::decode(ReportResponse{8}.encode()) == ReportResponse{8});
  const RecordsRequest asked{RecordsKind::asrs, 44};
  cr_assert(*RecordsRequest::decode(asked.encode()) == asked);
  RecordsResponse page;
  page.nodes = sample().nodes;
  page.asrs = sample().asrs;
  page.more = true;
  cr_assert(*RecordsResponse::decode(page.encode()) == page);
}

Test(root_body, whatever_is_cut_off_is_malformed) {
  const auto whole = sample().encode();
  for (std::size_t size = 0; size < whole.size(); ++size)
    cr_assert_not(ReportRequest::decode(BodyView(whole).first(size)).has_value(), "%zu", size);
  const auto issue =
      IssueRequest{.nmm_id = 5, .restore = false, .secrets = secrets({1}), .reported = 0, .incarnation = 0}
          .encode();
  for (std::size_t size = 0; size < issue.size(); ++size)
    cr_assert_not(IssueRequest::decode(issue.reveal().first(size)).has_value(), "%zu", size);
}
