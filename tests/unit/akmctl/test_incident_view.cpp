#include "tools/akmctl/incident_view.h"

#include <criterion/criterion.h>

#include <nlohmann/json.hpp>

using namespace akm;
using namespace akm::ctl;

namespace {

AuditRecord record(std::uint64_t number, const std::string& name, std::int64_t ms,
                   std::map<std::string, std::string> fields = {}) {
  AuditRecord out;
  out.number = number;
  out.name = name;
  out.boottime_ns = 1'000'000'000 + ms * 1'000'000;
  out.start = 1;
  out.incident = 0xabc;
  out.fields = std::move(fields);
  return out;
}

IncidentView sample() {
  IncidentView out{.id = 0xabc, .node = {}, .records = {}};
  out.records = {
      record(1, "breach-reported", 2, {{"class", "key-access"}, {"breach_boottime_ns", "1001000000"}}),
      record(2, "generation-sent", 3,
             {{"label", "ring"}, {"members", "3"}, {"member.b", ""}, {"member.c", ""}, {"member.d", ""}}),
      record(3, "members-switched", 9, {{"member.b", "1005000000"}, {"member.c", "1004000000"}}),
      record(4, "generation-settled", 10, {{"lacks.d", "no answer"}})};
  for (std::size_t i = 1; i < 4; ++i) {
    out.records[i].asr_id = 0x11;
    out.records[i].generation = 2;
  }
  return out;
}

}  // namespace

Test(incident_view, who_has_the_new_generation_and_who_lacks_it) {
  const auto generations = sample().generations();
  cr_assert_eq(generations.size(), 1);
  const IncidentGeneration& one = generations[0];
  cr_assert_eq(one.label, "ring");
  cr_assert_eq(one.members, 3);
  cr_assert_eq(one.have.size(), 2);
  cr_assert_eq(one.have.at("c"), 1'004'000'000);
  cr_assert_eq(one.lack.size(), 1);
  cr_assert_eq(one.lack.at("d"), "no answer");
  IncidentView later = sample();
  later.records.push_back(record(5, "members-switched", 50, {{"member.d", "1050000000"}}));
  later.records.back().asr_id = 0x11;
  later.records.back().generation = 2;
  cr_assert(later.generations()[0].lack.empty());
}

Test(incident_view, counts_are_exact_where_not_everybody_is_named) {
  IncidentView view{.id = 0xabc, .node = {}, .records = {}};
  view.records = {
      record(1, "generation-sent", 3, {{"label", "ring"}, {"members", "1000"}}),
      record(2, "members-switched", 9, {{"member.b", "1005000000"}, {"member.c", "1004000000"}}),
      record(3, "generation-settled", 10, {{"have", "970"}, {"lack", "30"}, {"lacks.d", "no answer"}})};
  for (AuditRecord& one : view.records) {
    one.asr_id = 0x11;
    one.generation = 2;
  }
  const IncidentGeneration one = view.generations().at(0);
  cr_assert_eq(one.have_count, 970);
  cr_assert_eq(one.lack_count, 30);
  const std::string text = view.text();
  cr_assert_neq(text.find("970 of 1000 members have it (b, c and 968 more)"), std::string::npos, "%s",
                text.c_str());
  cr_assert_neq(text.find("lacking: d and 29 more"), std::string::npos, "%s", text.c_str());
  view.records.push_back(record(4, "generation-complete", 90, {{"have", "1000"}, {"lack", "0"}}));
  view.records.back().asr_id = 0x11;
  view.records.back().generation = 2;
  cr_assert_eq(view.generations().at(0).lack_count, 0);
  cr_assert_eq(view.generations().at(0).have_count, 1000);
}

Test(incident_view, a_member_knows_of_itself) {
  IncidentView view{.id = 0xabc, .node = "pump", .records = {}};
  view.records = {record(1, "generation-switched", 7)};
  view.records[0].asr_id = 0x11;
  view.records[0].generation = 3;
  const std::string text = view.text();
  cr_assert_neq(text.find("Generation 3 of 0000000000000011: pump has it"), std::string::npos, "%s",
                text.c_str());
  cr_assert_eq(text.find("lacking"), std::string::npos);
}

Test(incident_view, times_of_two_boots_are_not_mixed) {
  IncidentView view{.id = 0xabc, .node = {}, .records = {}};
  view.records = {record(1, "breach-detected", 5000), record(2, "node-readmitted", 100)};
  for (AuditRecord& one : view.records) one.unix_ns = 1'700'000'000'000'000'000 + one.boottime_ns;
  cr_assert_lt(view.text().find("node-readmitted"), view.text().find("breach-detected"), "one boot: by time");
  view.records[1].start = 2;
  view.records[1].unix_ns += 3'600'000'000'000;
  cr_assert_lt(view.text().find("breach-detected"), view.text().find("node-readmitted"));
}

Test(incident_view, the_timeline_is_in_the_order_of_time) {
  const std::string text = sample().text();
  const std::size_t c = text.find("+3.000 ms  member-switched");
  const std::size_t b = text.find("+4.000 ms  member-switched");
  cr_assert_neq(c, std::string::npos, "%s", text.c_str());
  cr_assert_lt(c, b);
  cr_assert_lt(text.find("+0.000 ms  kernel-saw-it"), c);
  cr_assert_neq(
      text.find("Generation 2 of ring: 2 of 3 members have it (b, c), the last at +4.000 ms; lacking: d"),
      std::string::npos, "%s", text.c_str());
}

Test(incident_view, a_detection_is_written_as_a_policy_reads_it) {
  AuditRecord one = record(1, "breach-detected", 0,
                           {{"class", "key-access"},
                            {"grade", "critical"},
                            {"outcome", "succeeded"},
                            {"actions", "revoke-local"},
                            {"subject.pid", "7"},
                            {"operation", "read"}});
  one.asr_id = 0x22;
  const auto json = nlohmann::json::parse(json_of(one, "pump"));
  cr_assert_eq(json["class"], "key-access");
  cr_assert_eq(json["grade"], "critical");
  cr_assert_eq(json["outcome"], "succeeded");
  cr_assert_eq(json["boottime_ns"], 1'000'000'000);
  cr_assert_eq(json["node"], "pump");
  cr_assert_eq(json["asr"], "0000000000000022");
  cr_assert_eq(json["subject"]["pid"], "7");
  cr_assert_eq(json["evidence"]["operation"], "read");
  cr_assert_not(json["evidence"].contains("actions"));
  const auto other =
      nlohmann::json::parse(json_of(record(2, "keys-revoked", 1, {{"relationships", "1"}}), ""));
  cr_assert_eq(other["fields"]["relationships"], "1");
  cr_assert_not(other.contains("evidence"));
}

Test(incident_view, as_one_value) {
  const auto json = nlohmann::json::parse(sample().json());
  cr_assert_eq(json["records"].size(), 4);
  cr_assert_eq(json["generations"][0]["have"]["b"], 1'005'000'000);
  cr_assert_eq(json["generations"][0]["lack"]["d"], "no answer");
  cr_assert_eq(json["records"][2]["members"]["b"], 1'005'000'000);
}

Test(incident_view, a_summary) {
  IncidentSummary summary;
  summary.id = 0xabc;
  summary.records = 2;
  summary.grade = "critical";
  const auto json = nlohmann::json::parse(json_of(summary));
  cr_assert_eq(json["grade"], "critical");
  cr_assert_eq(json["id"], "0000000000000abc");
  cr_assert_eq(json["records"], 2);
}
