#include "daemon/nmm/machine_guard.h"

#include <criterion/criterion.h>

#include <chrono>

#include "tests/unit/nmm/watched_net.h"
#include "tests/unit/store/audit_bench.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::milliseconds;
using std::chrono::seconds;

TestSuite(machine_guard, .init = quiet);

namespace {

policy::Detection detection(policy::DetectionClass of) {
  policy::Detection out;
  out.detection = of;
  out.boottime_ns = 5;
  out.evidence = {{"what", "x"}};
  return out;
}

/// Root opens /proc/PID/mem of the NMM.
bpf::ProbeRecord memory_opened() {
  bpf::ProbeRecord out = akm::test::foreign_key_read(0);
  out.watch = bpf::Watch::process;
  out.outcome = bpf::Outcome::succeeded;
  out.operation = "open-mem";
  return out;
}

}  // namespace

Test(machine_guard, a_breach_of_the_machine_is_told_and_every_key_replaced) {
  WatchedNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  const auto epoch = net.nodes[0]->view(net.nodes[0]->provisioning)->epoch;
  net.probes.records.push_back(memory_opened());
  net.nmm->guard().readable();
  const EventRecord* told = net.event("machine-critical");
  cr_assert_not_null(told);
  cr_assert_eq(told->boottime_ns, 4711);
  cr_assert_eq(told->fields.at("class"), "process-access");
  cr_assert_eq(told->fields.at("pid"), "99");
  const std::string incident = told->fields.at("incident");
  net.run(seconds(2));
  cr_assert(net.agreed(asr, 2, {0, 1, 2}), "with the same members");
  for (const auto& node : net.nodes)
    cr_assert_gt(node->view(node->provisioning)->epoch, epoch, "%s", node->name.c_str());
  const EventRecord* replaced = net.event("machine-keys-replaced");
  cr_assert_not_null(replaced);
  cr_assert_eq(replaced->fields.at("incident"), incident);
  cr_assert_eq(replaced->fields.at("rekeyed"), "3");
  cr_assert_eq(net.nmm->status().counters.at("detections_critical"), 1);
  cr_assert_eq(net.state_of("n0"), "active");
}

Test(machine_guard, evidence_and_observations_cost_nobody_anything) {
  WatchedNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  std::size_t signals = 0;
  net.nmm->set_observer(
      {.status_changed = {}, .asr_changed = {}, .event = [&signals](const EventRecord&) { ++signals; }});
  net.nmm->guard().judge(detection(policy::DetectionClass::hardening_weakened));
  net.nmm->guard().judge(detection(policy::DetectionClass::clock_jump));
  net.run(seconds(2));
  cr_assert(net.agreed(asr, 1, {0, 1, 2}));
  cr_assert_not_null(net.event("machine-evidence"));
  cr_assert_not_null(net.event("machine-observe"));
  cr_assert_eq(signals, 1, "an observation is in the log alone");
}

Test(machine_guard, a_flood_is_logged_and_not_signalled) {
  WatchedNet net(0);
  std::size_t signals = 0;
  net.nmm->set_observer(
      {.status_changed = {}, .asr_changed = {}, .event = [&signals](const EventRecord&) { ++signals; }});
  for (int i = 0; i < 50; ++i) net.nmm->guard().judge(detection(policy::DetectionClass::hardening_weakened));
  cr_assert_eq(net.nmm->status().counters.at("detections_evidence"), 50);
  cr_assert_leq(signals, 10);
}

Test(machine_guard, an_open_window_of_the_domain_excuses_evidence) {
  WatchedNet net(0);
  cr_assert(net.nmm->policy_port().start_maintenance("domain", 60, "upgrade").has_value());
  net.nmm->guard().judge(detection(policy::DetectionClass::service_tampering));
  cr_assert_null(net.event("machine-evidence"));
  cr_assert(net.nmm->policy_port().stop_maintenance("domain").has_value());
  net.nmm->guard().judge(detection(policy::DetectionClass::service_tampering));
  cr_assert_not_null(net.event("machine-evidence"));
}

Test(machine_guard, its_policy_may_ask_for_less_and_for_a_hook) {
  NmmSettings settings;
  settings.responses.of(policy::DetectionClass::process_access).on_critical = {policy::Response::hook,
                                                                               policy::Response::log};
  settings.responses.hook.program = "/no/such/program";
  WatchedNet net(3, std::move(settings));
  net.activate_all();
  const auto asr = net.create(3);
  net.probes.records.push_back(memory_opened());
  net.nmm->guard().readable();
  cr_assert_eq(net.hooks.size(), 1);
  for (auto& job : std::exchange(net.hooks, {})) job()();
  cr_assert_not_null(net.event("hook-failed"), "there is no such program");
  net.run(seconds(2));
  cr_assert(net.agreed(asr, 1, {0, 1, 2}));
}

Test(machine_guard, its_probes_are_in_the_status) {
  WatchedNet net(0);
  const StatusSnapshot status = net.nmm->status();
  cr_assert_eq(status.probes.at(0).first, "D1");
  cr_assert(status.counters.contains("probe_records"));
  net.run(seconds(11));
  cr_assert_geq(net.probes.checks, 2, "the heartbeat of the probes");
  NmmNet blind(0);
  cr_assert(blind.nmm->status().probes.empty());
  cr_assert_eq(blind.nmm->guard().fd(), -1);
}

Test(machine_guard, an_audit_log_that_is_gone_is_judged_by_the_policy_as_all_else) {
  const akm::test::TemporaryFolder place;
  NmmSettings settings;
  settings.responses.of(policy::DetectionClass::audit_impaired).on_evidence = {policy::Response::hook,
                                                                               policy::Response::log};
  WatchedNet net(0, std::move(settings));
  service::EventLog events(16);
  service::AuditTrail trail({.folder = place.file("audit"),
                             .former = place.file("former"),
                             .key = std::make_shared<const store::AuditKey>(akm::test::audit_key()),
                             .store = &net.store,
                             .events = events,
                             .state_in_use = true});  // and there is no log
  trail.open();
  net.audit = &trail;
  net.restart_nmm();
  const EventRecord* told = net.event("machine-evidence");
  cr_assert_not_null(told);
  cr_assert_eq(told->fields.at("class"), "audit-impaired");
  cr_assert_eq(told->fields.at("finding"), "audit-damaged");
  cr_assert_eq(net.hooks.size(), 1);
}
