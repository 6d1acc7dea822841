#include <criterion/criterion.h>

#include <filesystem>
#include <fstream>

#include "tests/support/node_bench.h"

using namespace akm;
using namespace akm::test;
using node::NodeState;
using policy::DetectionClass;
using policy::Response;
using protocol::Method;

namespace {

void attack(NodeBench& bench) {
  bpf::ProbeRecord record = foreign_key_read(bench.probes.guarded.empty() ? 1 : bench.probes.guarded.front());
  record.uid = 0;
  static std::int64_t seen_ns = record.boottime_ns;  // each is an incident of its own
  record.boottime_ns = seen_ns++;
  bench.probes.records.push_back(record);
  bench.node->sentry().readable();
}

NodeBench& with(NodeBench& bench, std::vector<Response> on_critical) {
  bench.settings.responses.of(DetectionClass::key_access).on_critical = std::move(on_critical);
  bench.start();
  bench.make_member();
  return bench;
}

}  // namespace

Test(node_responses, the_nmm_s_policy_is_durable_before_the_answer) {
  NodeBench bench;
  bench.make_member();
  protocol::DetectionPolicy policy;
  policy.own = false;
  policy.set = {{"policy.mode", std::string("observe")}};
  bench.ask(Method::detection_policy, policy.encode());
  cr_assert(bench.last_answer() == protocol::ControlStatus::ok);
  cr_assert(bench.store.records.contains("detection-policy"));
  attack(bench);
  bench.settle();
  cr_assert_eq(bench.state(), NodeState::active, "mode observe");
  cr_assert_eq(bench.node->policy_port().policy_facts("")->at("source"), "nmm");
  bench.store.fail_writes_of = "detection-policy";
  bench.ask(Method::detection_policy, protocol::DetectionPolicy{}.encode());
  cr_assert(bench.last_answer() == protocol::ControlStatus::storage_failed);
  cr_assert_eq(bench.node->policy_port().policy_facts("")->at("source"), "nmm", "it was not stored");
}

Test(node_responses, a_policy_that_is_wrong_is_refused) {
  NodeBench bench;
  bench.make_member();
  protocol::DetectionPolicy policy;
  policy.own = false;
  policy.set = {{"responses.network-scan.on_observe", std::vector<std::string>{"zeroize"}}};
  bench.ask(Method::detection_policy, policy.encode());
  cr_assert(bench.last_answer() == protocol::ControlStatus::refused_by_policy);
}

Test(node_responses, quarantine_takes_the_keys_away) {
  NodeBench bench;
  with(bench, {Response::quarantine, Response::report, Response::log});
  attack(bench);
  bench.settle();
  cr_assert_eq(bench.state(), NodeState::quarantined);
  cr_assert_not(bench.keys.has_keys_of(kOperationalAsr));
}

Test(node_responses, rekey_asks_for_new_keys_and_costs_no_place) {
  NodeBench bench;
  with(bench, {Response::rekey, Response::log});
  bench.settle();
  const auto phase = [&] { return bench.node->shell()->engine().view(kOperationalAsr)->phase; };
  const auto before = phase();
  attack(bench);
  cr_assert(phase() != before, "an establishment has begun");
  cr_assert_eq(bench.state(), NodeState::active);
  cr_assert(bench.store.records.contains("policy-memory"), "before it is done");
  cr_assert_eq(bench.event("breach-detected")->fields.at("actions"), "rekey log");
}

Test(node_responses, zeroize_comes_after_all_that_tells_of_it) {
  NodeBench bench;
  with(bench, {Response::zeroize, Response::report, Response::signal, Response::log});
  bench.asked.clear();
  attack(bench);
  bench.settle();
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
  cr_assert(bench.event("breach-detected") != nullptr);
  cr_assert(bench.event("zeroize-by-policy") != nullptr);
  cr_assert_geq(bench.count(Method::breach_report), 1, "the NMM was told");
  cr_assert(bench.store.records.empty() || !bench.store.records.contains("node"));
  bench.start();
  bench.use_id = 2;
  cr_assert(bench.provision().has_value(), "and it may be provisioned anew");
}

Test(node_responses, a_crash_gives_no_limit_back_and_no_answer_twice) {
  NodeBench bench;
  bench.settings.responses.of(policy::DetectionClass::key_access).on_evidence = {
      policy::Response::hook, policy::Response::signal, policy::Response::log};
  bench.settings.responses.of(policy::DetectionClass::key_access).limit = {.count = 2, .window_s = 3600};
  bench.settings.responses.hook.program = "/bin/true";
  bench.start();
  bench.make_member();
  const auto attempt = [&](std::int64_t boottime_ns) {
    bpf::ProbeRecord record = foreign_key_read(77);
    record.uid = 12345;
    record.boottime_ns = boottime_ns;
    bench.probes.records.push_back(record);
    bench.node->sentry().readable();
    bench.start();  // killed in the very next moment
  };
  attempt(101);
  cr_assert_eq(bench.hooks.size(), 1);
  attempt(101);
  cr_assert_eq(bench.hooks.size(), 1, "the same record, out of a ring that outlives the daemon");
  attempt(102);
  cr_assert_eq(bench.hooks.size(), 2);
  for (std::int64_t i = 0; i < 5; ++i) attempt(103 + i);
  cr_assert_eq(bench.hooks.size(), 2, "two an hour");
  bench.store.records["policy-memory"].resize(3);
  bench.start();
  cr_assert(bench.event("policy-memory-lost") != nullptr);
}

namespace {

/// Two answers an hour are allowed, four different records come, each again after a start; the daemon is
/// killed at that point of its writing. False when there is no such point.
bool killed_at(std::size_t point) {
  NodeBench bench;
  auto& of_class = bench.settings.responses.of(DetectionClass::key_access);
  of_class.on_evidence = {Response::hook, Response::report, Response::signal, Response::log};
  of_class.limit = {.count = 2, .window_s = 3600};
  bench.settings.responses.hook.program = "/bin/true";
  bench.start();
  bench.make_member();
  bool killed = false;
  std::size_t run = 0;  // before the kill
  bench.store.kill = {.at = point, .killed = [&] {
                        killed = true;
                        run = bench.hooks.size();
                      }};
  for (std::int64_t at = 101; at < 105; ++at) {
    for (const bool again : {false, true}) {
      bpf::ProbeRecord record = foreign_key_read(77);
      record.uid = 12345;
      record.boottime_ns = at;
      bench.probes.records.push_back(record);
      bench.node->sentry().readable();
      bench.pass(std::chrono::milliseconds(10));
      if (bench.store.kill.dead) {
        bench.hooks.resize(run);
        bench.store.kill = {};
        bench.start();
      } else if (again) {
        bench.start();
      }
      const std::size_t records = static_cast<std::size_t>(at - 100);
      cr_assert_leq(bench.hooks.size(), std::min<std::size_t>(2, records), "killed at %zu", point);
    }
  }
  return killed;
}

}  // namespace

Test(node_responses, killed_at_any_write_it_answers_nothing_twice_and_no_more_than_the_limit) {
  std::size_t point = 0;
  while (killed_at(point)) ++point;
  cr_assert_gt(point, 3);
}

Test(node_responses, a_flood_is_no_flood_of_writes) {
  NodeBench bench;
  bench.make_member();
  bench.settle();
  bench.store.log.clear();
  for (std::int64_t i = 0; i < 50; ++i) {
    bpf::ProbeRecord record = foreign_key_read(bench.probes.guarded.front());
    record.uid = 12345;
    record.boottime_ns = 1000 + i;
    bench.probes.records.push_back(record);
    bench.node->sentry().readable();
    bench.pass(std::chrono::milliseconds(20));
  }
  const auto writes = std::ranges::count(bench.store.log, "write policy-memory");
  cr_assert_geq(writes, 1);
  cr_assert_leq(writes, 2, "50 within a second");
}

Test(node_responses, by_default_nothing_is_zeroized) {
  for (const auto& of_class : policy::default_node_policy().classes) {
    for (const auto grade : {policy::Grade::observe, policy::Grade::evidence, policy::Grade::critical}) {
      const auto& list = of_class.on(grade);
      cr_assert(std::ranges::find(list, Response::zeroize) == list.end());
      cr_assert(std::ranges::find(list, Response::hook) == list.end());
    }
  }
}

Test(node_responses, a_hook_is_run_aside_and_told_of) {
  if (::geteuid() != 0) cr_skip_test("a hook belongs to root");
  const std::string folder = "/run/akm-test-responses-" + std::to_string(::getpid());
  std::filesystem::create_directory(folder);
  const std::string program = folder + "/hook";
  std::ofstream(program) << "#!/bin/sh\nenv > " << folder << "/env\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  NodeBench bench;
  bench.settings.responses.hook = {.program = program, .timeout_s = 10};
  with(bench, {Response::hook, Response::log});
  attack(bench);
  bench.settle();
  cr_assert(bench.event("hook-ended") == nullptr, "not on the loop thread");
  cr_assert_eq(bench.hooks.size(), 1);
  bench.hooks.front()()();
  cr_assert(bench.event("hook-ended") != nullptr);
  std::ifstream in(folder + "/env");
  const std::string env{std::istreambuf_iterator<char>(in), {}};
  cr_assert(env.contains("AKM_CLASS=key-access\n"));
  cr_assert(env.contains("AKM_GRADE=critical\n"));
  std::filesystem::remove_all(folder);
}

Test(node_responses, a_hook_that_fails_is_said) {
  NodeBench bench;
  bench.settings.responses.hook = {.program = "/nonexistent/hook", .timeout_s = 10};
  with(bench, {Response::hook, Response::log});
  attack(bench);
  bench.hooks.front()()();
  cr_assert(bench.event("hook-failed") != nullptr);
  cr_assert_eq(bench.node->status().counters.at("hooks_failed"), 1);
}

Test(node_responses, evidence_in_a_window_is_only_observed) {
  NodeBench bench;
  bench.make_member();
  cr_assert(bench.node->policy_port().start_maintenance("", 60, "an update").has_value());
  policy::Detection change;
  change.detection = DetectionClass::config_tampering;
  bench.asked.clear();
  bench.node->sentry().judge(change);
  bench.settle();
  cr_assert_eq(bench.count(Method::breach_report), 0);
  bench.pass(std::chrono::seconds(61));
  bench.asked.clear();
  bench.node->sentry().judge(change);
  bench.settle();
  cr_assert_eq(bench.count(Method::breach_report), 1);
}
