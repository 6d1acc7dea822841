#include "daemon/service/audit_trail.h"

#include <sys/resource.h>

#include <csignal>

#include "daemon/base/log.h"
#include "tests/support/memory_store.h"
#include "tests/unit/store/audit_bench.h"

using namespace akm;
using namespace akm::service;
using namespace akm::test;

namespace {

struct Bench {
  TemporaryFolder place;
  MemoryStore store;
  EventLog events{16};
  std::shared_ptr<const store::AuditKey> key = std::make_shared<const store::AuditKey>(audit_key());
  Instant now{1'000'000'000};
  std::string below = "audit";
  bool in_use = false;
  store::AuditLimits limits{};
  std::unique_ptr<AuditTrail> trail;

  Bench() { (void)log::open({.target = log::Options::Target::text, .file = place.file("log")}); }
  [[nodiscard]] std::string folder() const { return place.file(below); }
  AuditTrail& open() {
    trail.reset();
    trail = std::make_unique<AuditTrail>(AuditTrail::Parts{.folder = folder(),
                                                           .former = place.file("audit.former"),
                                                           .key = key,
                                                           .store = &store,
                                                           .events = events,
                                                           .start = 3,
                                                           .state_in_use = in_use,
                                                           .limits = limits,
                                                           .now = [this] { return now; }});
    trail->open();
    return *trail;
  }
  void pass(Duration time) {
    now = now + time;
    trail->deadline_reached();
  }
  void event(const std::string& name, std::uint8_t severity, std::map<std::string, std::string> fields = {}) {
    events.add(
        {.name = name, .severity = severity, .boottime_ns = 9, .asr_id = 0xab, .fields = std::move(fields)},
        {}, "sentence");
  }
  [[nodiscard]] std::vector<AuditRecord> records() {
    std::vector<AuditRecord> out;
    trail->records(0, kAuditPage, 0, [&](auto found) { out = std::move(*found); });
    return out;
  }
  [[nodiscard]] const AuditRecord* find(const std::vector<AuditRecord>& all, const std::string& name) const {
    for (const AuditRecord& one : all) {
      if (one.name == name) return &one;
    }
    return nullptr;
  }
  [[nodiscard]] AuditVerdict verdict() {
    AuditVerdict out;
    trail->verify([&](auto found) { out = std::move(*found); });
    return out;
  }
};

}  // namespace

Test(audit_trail, an_event_becomes_a_record) {
  Bench bench;
  bench.open();
  bench.events.add({.name = "breach-detected",
                    .severity = 2,
                    .boottime_ns = 9,
                    .asr_id = 0xab,
                    .fields = {{"incident", "00000000000000ff"},
                               {"generation", "4"},
                               {"epoch", "x"},
                               {"pid", "7"},
                               {"class", "key-access"}},
                    .subject = {"pid"}},
                   {}, "sentence");
  bench.event("session-committed", 6);
  bench.events.note({.name = "breach-verdict", .severity = 6, .fields = {{"incident", "00000000000000ff"}}});
  const auto records = bench.records();
  const AuditRecord* record = bench.find(records, "breach-detected");
  cr_assert_not_null(record);
  cr_assert(record->incident == 0xff && record->generation == 4 && record->epoch == 0 &&
            record->asr_id == 0xab);
  cr_assert(record->boottime_ns == 9 && record->start == 3 && record->unix_ns > 0);
  cr_assert_eq(record->fields.at("subject.pid"), "7");
  cr_assert_null(bench.find(records, "session-committed"), "news of every day");
  cr_assert_not_null(bench.find(records, "breach-verdict"));
  cr_assert_eq(bench.events.history().size(), 2, "a note is for the audit log alone");
}

Test(audit_trail, critical_records_are_synchronised_in_the_next_turn_and_sealed_soon) {
  Bench bench;
  AuditTrail& trail = bench.open();
  bench.pass(std::chrono::minutes(2));
  cr_assert_not(trail.next_deadline().has_value(), "nothing is left to do");
  bench.event("state-changed", 5);
  cr_assert_eq(trail.next_deadline()->ns, (bench.now + std::chrono::seconds(5)).ns);
  bench.event("breach-detected", 2);
  cr_assert_eq(trail.next_deadline()->ns, bench.now.ns);
  bench.store.log.clear();
  bench.pass({});
  cr_assert(bench.store.log.empty());
  cr_assert_eq(trail.next_deadline()->ns, (bench.now + std::chrono::seconds(1)).ns);
  bench.pass(std::chrono::seconds(1));
  cr_assert_eq(bench.store.log.size(), 1);
  cr_assert_eq(bench.store.log.front(), "write audit");
  cr_assert_eq(bench.records().back().name, "seal");
  cr_assert_eq(bench.verdict().sealed, bench.records().back().number);
  cr_assert_not(trail.next_deadline().has_value());
}

Test(audit_trail, a_log_that_was_cut_is_told_once_and_evidence) {
  Bench bench;
  bench.open();
  bench.event("breach-detected", 2);
  bench.pass(std::chrono::seconds(1));
  std::vector<std::map<std::string, std::string>> evidence;
  bench.trail->on_impaired([&](auto one) { evidence.push_back(std::move(one)); });
  const std::string file = bench.folder() + "/" + store::audit_file_name(1);
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  cr_assert_not(bench.verdict().findings.empty());
  cr_assert_eq(evidence.size(), 1);
  cr_assert_eq(evidence[0].at("finding"), "audit-damaged");
  cr_assert_eq(bench.trail->findings().size(), 1);
  bench.event("state-changed", 5);
  bench.pass(std::chrono::minutes(2));
  cr_assert_eq(evidence.size(), 1);
  // After a restart it is known still, and who asks is told at once.
  bench.open();
  evidence.clear();
  bench.trail->on_impaired([&](auto one) { evidence.push_back(std::move(one)); });
  cr_assert_eq(evidence.size(), 1);
}

Test(audit_trail, a_record_behind_a_cut_does_not_cover_it) {
  Bench bench;
  bench.open();
  bench.event("breach-detected", 2);
  bench.pass(std::chrono::seconds(1));
  const std::string file = bench.folder() + "/" + store::audit_file_name(1);
  const auto length = std::filesystem::file_size(file);
  std::filesystem::resize_file(file, length / 2);
  bench.event("state-changed", 5);
  cr_assert_eq(bench.trail->findings().size(), 1);
  cr_assert_eq(std::filesystem::file_size(file), length / 2, "what comes next is in another file");
}

Test(audit_trail, no_room_is_said_and_the_gap_is_a_record) {
  Bench bench;
  bench.open();
  bench.event("before", 4);
  bench.pass(std::chrono::minutes(2));
  (void)std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit before = limit;
  limit.rlim_cur = 1;
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  bench.event("one", 4);
  bench.event("two", 4);
  cr_assert_eq(bench.trail->next_deadline()->ns, (bench.now + std::chrono::seconds(1)).ns, "it tries again");
  bench.pass(std::chrono::seconds(1));
  cr_assert(bench.trail->findings().at(0).contains("2 records are missing"));
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
  bench.pass(std::chrono::seconds(1));
  cr_assert(bench.trail->findings().empty());
  const auto records = bench.records();
  const AuditRecord* gap = bench.find(records, "audit-gap");
  cr_assert_not_null(gap);
  cr_assert_eq(gap->fields.at("records"), "2");
  cr_assert_null(bench.find(records, "one"));
  cr_assert_eq(bench.verdict().sealed, records.back().number);
}

Test(audit_trail, a_log_that_cannot_be_opened_is_opened_when_it_can) {
  Bench bench;
  bench.below = "missing/audit";
  bench.open();
  bench.event("one", 4);
  cr_assert_eq(bench.trail->findings().size(), 1);
  std::filesystem::create_directory(bench.place.file("missing"));
  bench.pass(std::chrono::seconds(1));
  cr_assert_not_null(bench.find(bench.records(), "audit-gap"));
  bench.pass(std::chrono::minutes(2));
  cr_assert(bench.trail->findings().empty());
}

Test(audit_trail, a_flood_does_not_push_the_rest_out_of_the_log) {
  Bench bench;
  bench.open();
  for (int i = 0; i < 5000; ++i) bench.event("evidence-detected", 4, {{"class", "key-access"}});
  bench.event("breach-detected", 2);
  bench.pass(std::chrono::minutes(1));
  bench.event("evidence-detected", 4);
  std::uint64_t after = 0;
  std::size_t count = 0;
  std::string left_out;
  bool critical = false;
  for (;;) {
    std::vector<AuditRecord> page;
    bench.trail->records(after, kAuditPage, 0, [&](auto found) { page = std::move(*found); });
    if (page.empty()) break;
    for (const AuditRecord& one : page) {
      if (one.name == "evidence-detected") ++count;
      if (one.name == "audit-left-out") left_out = one.fields.at("records");
      critical = critical || one.name == "breach-detected";
      after = one.number;
    }
  }
  cr_assert(critical);
  cr_assert_eq(count, 301);
  cr_assert_eq(left_out, "4700");
}

Test(audit_trail, the_newest_incident_of_a_node_is_known_after_a_restart) {
  Bench bench;
  bench.open();
  bench.event("breach-detected", 2, {{"incident", "00000000000000aa"}, {"grade", "critical"}});
  bench.event("breach-reported", 2, {{"incident", "00000000000000bb"}, {"node_id", "0000000000000001"}});
  bench.event("evidence-detected", 4, {{"incident", "00000000000000cc"}, {"grade", "evidence"}});
  bench.open();
  cr_assert_eq(bench.trail->incident_of(""), 0xaa);
  cr_assert_eq(bench.trail->incident_of("0000000000000001"), 0xbb);
  cr_assert_eq(bench.trail->incident_of("0000000000000002"), 0);
}

Test(audit_trail, the_log_of_another_state_is_set_aside_and_a_lost_anchor_is_not) {
  Bench bench;
  bench.open();
  bench.event("breach-detected", 2);
  bench.trail->end();
  bench.store.records.clear();
  bench.open();
  cr_assert_eq(bench.trail->findings().size(), 1, "its seals are by this key: the anchor was removed");
  bench.trail->end();
  bench.store.records.clear();
  bench.key = std::make_shared<const store::AuditKey>(audit_key(2));
  bench.open();
  cr_assert(bench.trail->findings().empty());
  cr_assert(std::filesystem::exists(bench.place.file("audit.former")));
  cr_assert(bench.verdict().findings.empty());
}

Test(audit_trail, log_and_anchor_that_were_removed_together_are_missed) {
  Bench bench;
  bench.open();
  bench.event("breach-detected", 2);
  bench.trail->end();
  bench.store.records.clear();
  std::filesystem::remove_all(bench.folder());
  bench.in_use = true;
  bench.open();
  cr_assert_eq(bench.trail->findings().size(), 1, "a state that belongs to somebody had a log");
  cr_assert_not(std::filesystem::exists(bench.place.file("audit.former")));
  bench.trail->end();
  bench.open();
  cr_assert(bench.trail->findings().empty(), "it has one again");
}

Test(audit_trail, the_end_seals_and_may_erase) {
  Bench bench;
  bench.open();
  bench.event("state-changed", 5);
  bench.trail->end();
  cr_assert(bench.store.records.contains(kAuditRecord));
  bench.event("state-changed", 5);
  bench.open();
  bench.trail->end(true);
  cr_assert_not(std::filesystem::exists(bench.folder()));
}

Test(audit_trail, without_a_state_there_is_no_log) {
  Bench bench;
  bench.key = nullptr;
  bench.open();
  bench.event("state-changed", 5);
  cr_assert_not(bench.trail->next_deadline().has_value());
  std::optional<Error> why;
  bench.trail->verify([&](auto found) { why = found.error(); });
  cr_assert(why->code == Errc::sealed_unavailable);
  cr_assert(bench.trail->check_seals({}).error().code == Errc::sealed_unavailable);
}

Test(audit_trail, seals_of_others_are_told_apart) {
  Bench bench;
  bench.open();
  AuditSeal mine{.number = 4, .boottime_ns = 1, .start = 1, .before = {}, .seal = {}};
  mine.seal = *bench.key->seal(mine);
  AuditSeal other = mine;
  other.number = 5;
  const auto bad = bench.trail->check_seals({mine, other});
  cr_assert(bad && *bad == std::vector<std::uint64_t>{5});
}
