#include "daemon/nmm/incident_track.h"

#include <criterion/criterion.h>

#include <chrono>

#include "daemon/policy/incident.h"
#include "tests/unit/nmm/nmm_net.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::seconds;

TestSuite(incident_track, .init = quiet);

namespace {

/// What the audit log would hold.
struct Heard {
  explicit Heard(NmmNet& net) {
    net.events->set_audit([this](const EventRecord& event) { records.push_back(event); });
  }
  [[nodiscard]] std::vector<const EventRecord*> named(std::string_view name) const {
    std::vector<const EventRecord*> out;
    for (const EventRecord& one : records) {
      if (one.name == name) out.push_back(&one);
    }
    return out;
  }
  std::vector<EventRecord> records;
};

std::string field(const EventRecord* record, const std::string& name) {
  const auto at = record->fields.find(name);
  return at == record->fields.end() ? std::string() : at->second;
}

}  // namespace

Test(incident_track, from_the_report_to_the_last_key_and_back) {
  NmmNet net(4);
  net.activate_all();
  const auto asr = net.create(4);
  Heard heard(net);
  net.nodes[2]->report_breach("key-access", 2);
  net.run(seconds(2));
  std::optional<Status> done;
  net.nmm->readmit(net.nodes[2]->node_id, into(done));
  net.run(seconds(3));
  cr_assert(done && *done);

  const auto reported = heard.named("breach-reported");
  cr_assert_eq(reported.size(), 1);
  const std::string incident = field(reported[0], "incident");
  cr_assert_eq(incident.size(), 16);
  const auto verdicts = heard.named("breach-verdict");
  cr_assert_eq(verdicts.size(), 1);
  cr_assert_eq(field(verdicts[0], "verdict"), "evict");
  cr_assert_eq(verdicts[0]->asr_id, asr);
  const auto sent = heard.named("generation-sent");
  cr_assert_eq(sent.size(), 2, "without it, and with it again");
  cr_assert_eq(field(sent[0], "members"), "3");
  cr_assert(sent[0]->fields.contains("member.n0"));
  cr_assert_not(sent[0]->fields.contains("member.n2"));
  const auto switched = heard.named("members-switched");
  cr_assert_eq(switched.size(), 2);
  for (const char* name : {"member.n0", "member.n1", "member.n3"})
    cr_assert_gt(std::stoll(field(switched[0], name)), reported[0]->boottime_ns - 1);
  cr_assert_not(switched[0]->fields.contains("member.n2"));
  cr_assert_eq(heard.named("generation-complete").size(), 2);
  cr_assert_eq(heard.named("quarantine-acknowledged").size(), 1);
  for (const char* name : {"breach-verdict", "generation-sent", "members-switched", "generation-complete",
                           "quarantine-acknowledged", "node-evicted", "node-readmitted"}) {
    for (const EventRecord* one : heard.named(name))
      cr_assert_eq(field(one, "incident"), incident, "%s", name);
  }
}

Test(incident_track, who_lacks_the_generation_is_named) {
  NmmNet net(4);
  net.activate_all();
  (void)net.create(4);
  net.nodes[3]->down = true;
  Heard heard(net);
  net.nodes[2]->report_breach("key-access", 2);
  net.run(std::chrono::minutes(1));
  const auto settled = heard.named("generation-settled");
  cr_assert_eq(settled.size(), 1);
  cr_assert_eq(field(settled[0], "lack"), "1");
  cr_assert(settled[0]->fields.contains("lacks.n3"));
  net.nodes[3]->down = false;
  net.nodes[3]->heartbeat();
  net.run(std::chrono::minutes(2));
  cr_assert_eq(heard.named("generation-complete").size(), 1);
  cr_assert(heard.named("members-switched").back()->fields.contains("member.n3"));
}

Test(incident_track, an_id_is_of_who_named_it_first) {
  NmmNet net(1);
  SeededRandom random(1);
  Core core({net.store, random, *net.shell, *net.events, {}}, {});
  IncidentTrack track(core);
  cr_assert_eq(track.admit(7, 1, "key-access", 5), 7);
  cr_assert_eq(track.admit(7, 1, "key-access", 6), 7, "more of the same");
  cr_assert_eq(track.admit(7, 2, "key-access", 5), policy::incident_id(2, "key-access", 5));
  cr_assert_eq(track.admit(0, 2, "key-access", 5), policy::incident_id(2, "key-access", 5));
  protocol::BreachReport report;
  report.detection = "key-access";
  report.boottime_ns = 9;
  report.evidence["incident"] = "not hex";
  cr_assert_eq(track.received(report, 3), policy::incident_id(3, "key-access", 9));
  report.evidence["incident"] = "00000000000000ff";
  cr_assert_eq(track.received(report, 3), 0xff);
}

Test(incident_track, a_node_pushes_out_nobody_else_s_incidents) {
  NmmNet net(1);
  SeededRandom random(1);
  Core core({net.store, random, *net.shell, *net.events, {}}, {});
  IncidentTrack track(core);
  cr_assert_eq(track.admit(7, 1, "key-access", 5), 7);
  for (std::uint64_t id = 100; id < 6000; ++id) (void)track.admit(id, 2, "key-access", 5);
  cr_assert_eq(track.admit(7, 2, "key-access", 5), policy::incident_id(2, "key-access", 5),
               "it is still the other's");
}

Test(incident_track, what_a_hostile_node_says_stays_in_its_own_record) {
  NmmNet net(4);
  net.activate_all();
  (void)net.create(4);
  Heard heard(net);
  protocol::BreachReport report;
  report.detection = "key-access";
  report.severity = 4;
  report.boottime_ns = 5;
  report.subject = {{"pid", "7"}, {"class", "usb-insertion"}, {"node_id", hex_id(net.nodes[1]->node_id)}};
  report.evidence = {{"node_id", hex_id(net.nodes[1]->node_id)},
                     {"node", "n1"},
                     {"generation", "9"},
                     {"member.n1", "1"},
                     {"lacks.n1", "said"},
                     {"outcome", "won"},
                     {"subject.uid", "0"},
                     {"key", "77"}};
  net.nodes[2]->send(protocol::Method::breach_report, report.encode());
  net.run(seconds(1));
  const auto received = heard.named("report-received");
  cr_assert_eq(received.size(), 1);
  cr_assert_eq(field(received[0], "node"), "n2");
  cr_assert_eq(field(received[0], "key"), "77");
  cr_assert_eq(field(received[0], "class"), "key-access");
  cr_assert(std::ranges::find(received[0]->subject, "class") == received[0]->subject.end());
  cr_assert_eq(field(received[0], "outcome"), "unknown");
  for (const char* name : {"generation", "member.n1", "lacks.n1", "subject.uid"})
    cr_assert_not(received[0]->fields.contains(name), "%s", name);
  cr_assert(std::ranges::find(received[0]->subject, "node_id") != received[0]->subject.end(),
            "whom it accuses is said as its word");
}

Test(incident_track, a_flood_of_reports_leaves_the_log_to_others) {
  NmmNet net(4);
  net.activate_all();
  (void)net.create(4);
  Heard heard(net);
  for (std::uint64_t i = 0; i < 200; ++i) {
    protocol::BreachReport report;
    report.detection = i % 3 == 0 ? "of-another-version" : "module-load";
    report.severity = 4;
    report.boottime_ns = 1 + i;
    report.evidence["incident"] = hex_id(1000 + i);
    net.nodes[2]->send(protocol::Method::breach_report, report.encode());
    net.run(std::chrono::milliseconds(50));
  }
  cr_assert_leq(heard.records.size(), 30 * 3 + 10);
  cr_assert_eq(heard.named("reports-left-out").size(), 1);
  const auto asr = net.nmm->asrs().front().id;
  net.nodes[1]->report_breach("key-access", 2);
  net.run(seconds(1));
  cr_assert_eq(field(heard.named("node-evicted").at(0), "node"), "n1", "another one's breach is told");
  net.nodes[2]->report_breach("key-access", 2);
  net.run(seconds(1));
  cr_assert_eq(field(heard.named("node-evicted").at(1), "node"), "n2", "and what costs it its place");
  cr_assert(net.agreed(asr, 3, {0, 3}));
}

Test(incident_track, a_quarantine_by_hand_is_an_incident_too) {
  NmmNet net(3);
  net.activate_all();
  (void)net.create(3);
  Heard heard(net);
  std::optional<Status> done;
  net.nmm->quarantine(net.nodes[1]->node_id, into(done));
  net.run(seconds(2));
  cr_assert_eq(heard.named("generation-sent").size(), 1);
  cr_assert_eq(field(heard.named("node-evicted").at(0), "incident"),
               field(heard.named("generation-sent")[0], "incident"));
}
