#include "daemon/sentry/sentry.h"

#include <criterion/criterion.h>

#include <sys/stat.h>

#include <set>

#include "bpf/loader/file_device.h"

#include "daemon/policy/grading.h"

#include "tests/support/fake_probe_set.h"
#include "tests/support/memory_key_store.h"

using namespace akm;
using namespace akm::sentry;
using policy::DetectionClass;
using policy::Grade;

namespace {

struct Bench {
  test::FakeProbeSet::Script script;
  Instant now{1000};
  std::vector<std::pair<policy::Detection, policy::Decision>> seen;
  Sentry sentry{policy::default_node_policy(), std::make_unique<test::FakeProbeSet>(script),
                std::chrono::seconds(5), [this] { return now; },
                [this](const policy::Detection& detection, const policy::Decision& decision) {
                  seen.emplace_back(detection, decision);
                }};
};

}  // namespace

Test(sentry, root_at_our_key_is_critical_also_when_refused) {
  Bench bench;
  bench.script.records.push_back(test::foreign_key_read(5));
  bench.sentry.readable();
  cr_assert_eq(bench.seen.size(), 1);
  cr_assert_eq(bench.seen[0].first.detection, DetectionClass::key_access);
  cr_assert_eq(bench.seen[0].second.grade, Grade::critical);
  cr_assert_eq(bench.seen[0].second.actions.front(), policy::Response::revoke_local);
  cr_assert_eq(bench.seen[0].first.boottime_ns, 4711);
}

Test(sentry, another_user_who_is_refused_evicts_nobody) {
  Bench bench;
  bpf::ProbeRecord record = test::foreign_key_read(5);
  record.uid = 12345;
  bench.script.records.push_back(record);
  bench.sentry.readable();
  cr_assert_eq(bench.seen.at(0).second.grade, Grade::evidence);
}

Test(sentry, a_path_named_in_another_namespace_evicts_nobody) {
  Bench bench;
  bpf::ProbeRecord record = test::foreign_key_read(5);
  record.watch = bpf::Watch::state;
  record.outcome = bpf::Outcome::succeeded;
  record.source = "tracepoint";
  record.operation = "mount";
  record.uid = 12345;
  for (int i = 0; i < 3; ++i) bench.script.records.push_back(record);
  bench.script.records[1].operation = "open-write";
  bench.script.records[2].uid = 0;
  bench.sentry.readable();
  cr_assert_eq(bench.seen.at(0).second.grade, Grade::evidence);
  cr_assert_eq(bench.seen.at(1).second.grade, Grade::critical);
  cr_assert_eq(bench.seen.at(2).second.grade, Grade::critical);
}

Test(sentry, each_watch_has_its_class) {
  std::set<DetectionClass> classes;
  for (std::size_t i = 0; i < bpf::kWatchCount; ++i) {
    bpf::ProbeRecord record = test::foreign_key_read(5);
    record.watch = static_cast<bpf::Watch>(i);
    cr_assert(classes.insert(detection_of(record, OurPrograms()).detection).second,
              "no two watches share a class");
  }
  cr_assert_not(classes.contains(DetectionClass::sensor_impaired));
}

Test(sentry, what_honest_programs_do_weighs_less) {
  const auto grade_of = [](bpf::Watch watch, const char* operation, std::uint64_t argument,
                           std::uint32_t tgid) {
    bpf::ProbeRecord record = test::foreign_key_read(5);
    record.outcome = bpf::Outcome::succeeded;
    record.watch = watch;
    record.operation = operation;
    record.argument = argument;
    record.tgid = tgid;
    return policy::grade(detection_of(record, OurPrograms()));
  };
  cr_assert_eq(grade_of(bpf::Watch::bpf_ours, "bpf-map-get-fd", 14, 99), Grade::evidence);
  cr_assert_eq(grade_of(bpf::Watch::bpf_ours, "bpf-map-update", 2, 99), Grade::critical);
  cr_assert_eq(grade_of(bpf::Watch::io_uring, "io-uring-setup", 0, 99), Grade::observe);
  cr_assert_eq(grade_of(bpf::Watch::io_uring, "io-uring-setup", 2, 99), Grade::evidence);
  cr_assert_eq(grade_of(bpf::Watch::packet, "socket", 2ULL << 32, 99), Grade::observe);
  cr_assert_eq(grade_of(bpf::Watch::packet, "socket", 17ULL << 32, 99), Grade::evidence);
  cr_assert_eq(grade_of(bpf::Watch::bpf_use, "bpf-prog-load", 5, 1), Grade::observe);
  cr_assert_eq(grade_of(bpf::Watch::bpf_use, "bpf-prog-load", 5, 99), Grade::evidence);
  cr_assert_eq(grade_of(bpf::Watch::kernel_memory, "open", 0, 1), Grade::critical);
}

Test(sentry, a_daemon_of_ours_that_loads_its_programs_is_one_record_a_check) {
  Bench bench;
  bpf::ProbeRecord load = test::foreign_key_read(5);
  load.watch = bpf::Watch::bpf_use;
  load.operation = "bpf-prog-load";
  bpf::ProbeRecord ours = load;
  struct stat status{};
  cr_assert_eq(::stat("/proc/self/exe", &status), 0);
  ours.executable_device = bpf::file_device("/proc/self/exe", status);
  ours.executable_inode = status.st_ino;
  bench.sentry.deadline_reached();
  for (int i = 0; i < 80; ++i) bench.script.records.push_back(ours);
  bench.script.records.push_back(load);
  bench.script.records.push_back(load);
  bench.sentry.readable();
  cr_assert_eq(bench.seen.size(), 3, "of others each one");
  cr_assert_eq(bench.seen[0].second.grade, Grade::observe);
  cr_assert_eq(bench.seen[1].second.grade, Grade::evidence);
  cr_assert_eq(bench.sentry.counters().at("probe_records_of_ours"), 79);
  bench.now = bench.now + std::chrono::seconds(6);
  bench.sentry.deadline_reached();
  bench.script.records.push_back(ours);
  bench.sentry.readable();
  cr_assert_eq(bench.seen.size(), 4);
}

Test(sentry, what_the_budget_leaves_comes_in_the_next_turn) {
  Bench bench;
  bench.sentry.deadline_reached();
  for (int i = 0; i < 1000; ++i) bench.script.records.push_back(test::foreign_key_read(5));
  bench.sentry.readable();
  cr_assert_lt(bench.seen.size(), 1000);
  cr_assert(*bench.sentry.next_deadline() <= bench.now);
  bench.sentry.deadline_reached();
  cr_assert_eq(bench.seen.size(), 1000);
}

Test(sentry, an_impaired_sensor_is_evidence_and_a_standing_finding) {
  Bench bench;
  bench.script.findings = {{bpf::SensorFinding::Kind::records_lost, "ring full", 3}};
  bench.sentry.deadline_reached();
  cr_assert_eq(bench.seen.at(0).first.detection, DetectionClass::sensor_impaired);
  cr_assert_eq(bench.seen[0].second.grade, Grade::evidence);
  cr_assert_eq(bench.sentry.findings().size(), 1);
  cr_assert_eq(bench.sentry.lost(), 3);
  cr_assert_eq((*bench.sentry.next_deadline() - bench.now).count(), 5'000'000'000);
  bench.sentry.deadline_reached();
  cr_assert_eq(bench.script.checks, 1, "not before it is due");
}

Test(sentry, guards_the_keys_and_says_when_it_cannot) {
  Bench bench;
  test::MemoryKeyStore keys;
  cr_assert(keys.put({1, keyring::KeyId::Slot::current, {}}, SecretBuffer(32), 0).has_value());
  bench.sentry.guard(keys);
  cr_assert_eq(bench.script.guarded.size(), 1, "the keyring is given apart");
  cr_assert_eq(bench.script.guarded_keyring, keys.keyring_serial());
  bench.script.fail_guard = true;
  bench.sentry.guard(keys);
  cr_assert_eq(bench.sentry.findings().size(), 1);
  cr_assert_eq(bench.sentry.counters().at("probe_guard_failures"), 1);
}

Test(sentry, without_probes_it_is_blind_and_says_so) {
  Sentry blind(policy::default_node_policy(), nullptr, std::chrono::seconds(5), [] { return Instant{}; }, {});
  cr_assert_eq(blind.fd(), -1);
  cr_assert_not(blind.next_deadline().has_value());
  cr_assert_eq(blind.tier(), "none");
  cr_assert(blind.pin_folder().empty());
}

Test(sentry, a_tier_that_is_missing_is_a_finding) {
  Bench bench;
  cr_assert_eq(bench.sentry.tier(), "tracepoint");
  bench.script.attached = false;
  cr_assert_eq(bench.sentry.tier(), "none (degraded)");
  cr_assert_eq(bench.sentry.findings().size(), 1);
  cr_assert_eq(bench.sentry.health().at(0).first, "D1");
}

Test(sentry, an_impaired_audit_log_is_evidence_and_names_what_was_found) {
  Bench bench;
  bench.sentry.judge(audit_log_impaired({{"finding", "audit-damaged"}}, bench.now));
  cr_assert_eq(bench.seen.at(0).first.detection, DetectionClass::audit_impaired);
  cr_assert_eq(bench.seen.at(0).first.evidence.at("finding"), "audit-damaged");
  cr_assert_eq(bench.seen.at(0).second.grade, Grade::evidence);
  cr_assert_eq(bench.sentry.pin_folder(), "/pins", "as its probes say");
}
