#include "daemon/service/gate_keeper.h"

#include <criterion/criterion.h>

#include <algorithm>

#include "tests/support/fake_gate.h"
#include "tests/support/sample_asr.h"
#include "tests/support/seeded_random.h"

using namespace akm;
using namespace akm::service;

namespace {

constexpr protocol::AsrId kId = 0x1122334455667788;

struct Bench {
  test::SeededRandom random;
  test::FakeGate::Script script;
  std::vector<policy::Detection> told;
  Instant now{1'000'000'000};
  protocol::Engine engine{{.incarnation = 1, .salt = 2}};
  std::optional<GateKeeper> keeper;

  explicit Bench(bool with_gate = true) {
    std::unique_ptr<bpf::Gate> gate;
    if (with_gate) gate = std::make_unique<test::FakeGate>(script);
    keeper.emplace(GateKeeper::Parts{std::move(gate), &engine, [this] { return now; },
                                     [this](const policy::Detection& one) { told.push_back(one); }});
  }
  void install() {
    protocol::InstallAsr event{test::sample_asr(3, random), 0, true, 0};
    event.asr.description.generation = 7;
    (void)engine.step(std::move(event), now, random);
  }
  void pass(Duration time) {
    for (const Instant end = now + time; now < end;) {
      now = std::max(now, std::min(*keeper->next_deadline(), end));
      keeper->deadline_reached();
    }
  }
  void garbage(int count) {
    std::vector<std::uint8_t> datagram(100, 0xff);
    for (int i = 0; i < count; ++i) (void)engine.step(protocol::FrameReceived{datagram, {}}, now, random);
  }
};

Endpoint at(const char* text) {
  return *parse_endpoint(text);
}

}  // namespace

Test(gate_keeper, nothing_is_answered_for_before_all_is_restored) {
  Bench bench;
  cr_assert_not(bench.keeper->next_deadline().has_value());
  bench.keeper->deadline_reached();
  cr_assert_eq(bench.script.checks, 0u);
  cr_assert(bench.keeper->findings().empty());
  bench.install();
  bench.keeper->start();
  cr_assert_eq(bench.script.checks, 1u);
  cr_assert(bench.script.ids == std::set<std::uint64_t>{kId});
  cr_assert(bench.script.vouched == std::vector<Endpoint>({at("192.0.2.2:7400"), at("192.0.2.3:7400")}),
            "the roster but for itself");
  bench.pass(GateKeeper::kCheckInterval * 3);
  cr_assert_eq(bench.script.checks, 4u);
}

Test(gate_keeper, relationships_come_and_go) {
  Bench bench;
  bench.keeper->start();
  cr_assert(bench.script.ids.empty());
  bench.install();
  bench.keeper->stored(kId);
  cr_assert(bench.script.ids.contains(kId));
  bench.script.vouched.clear();
  bench.keeper->stored(kId);
  cr_assert(bench.script.vouched.empty(), "a rekey stores it again, which is no reason to read its roster");
  bench.pass(FrameWatch::kWindow);
  cr_assert_eq(bench.script.vouched.size(), 2u, "once a window it is");
  bench.keeper->forgotten(kId);
  cr_assert(bench.script.ids.empty());
}

Test(gate_keeper, who_has_authenticated_is_vouched_for_once_in_a_while) {
  Bench bench;
  bench.keeper->start();
  for (int i = 0; i < 100; ++i) bench.keeper->authentic(at("192.0.2.99:7400"));
  cr_assert_eq(bench.script.vouched.size(), 1u);
  bench.keeper->authentic(at("192.0.2.99:7401"));
  cr_assert_eq(bench.script.vouched.size(), 2u);
  bench.now = bench.now + GateKeeper::kVouchAgain;
  bench.keeper->authentic(at("192.0.2.99:7400"));
  cr_assert_eq(bench.script.vouched.size(), 3u);
  bench.keeper->joined_group(at("239.1.2.3:7400"));
  cr_assert(bench.script.groups == std::vector<Endpoint>{at("239.1.2.3:7400")});
}

Test(gate_keeper, rosters_are_vouched_for_again_before_it_ends) {
  Bench bench;
  bench.install();
  bench.keeper->start();
  bench.script.vouched.clear();
  bench.pass(GateKeeper::kVouchLasts / 2 + FrameWatch::kWindow);
  cr_assert_geq(bench.script.vouched.size(), 2u);
}

Test(gate_keeper, forged_frames_and_scans_are_told) {
  Bench bench;
  bench.keeper->start();
  bench.garbage(150);
  bench.script.scans = {{at("192.0.2.7:0"), 30, 0, 30}};
  bench.pass(FrameWatch::kWindow);
  cr_assert_eq(bench.told.size(), 2u);
  cr_assert_eq(bench.told[0].detection, policy::DetectionClass::forged_frames);
  cr_assert_eq(bench.told[1].detection, policy::DetectionClass::network_scan);
  cr_assert_eq(bench.keeper->counters().at("frames_forged"), 150u);
  bench.pass(FrameWatch::kWindow);
  cr_assert_eq(bench.told.size(), 2u);
}

Test(gate_keeper, without_a_gate_the_engine_still_counts) {
  Bench bench(false);
  bench.install();
  bench.keeper->start();
  bench.keeper->stored(kId);
  bench.keeper->authentic(at("192.0.2.99:7400"));
  bench.keeper->forgotten(kId);
  bench.keeper->joined_group(at("239.1.2.3:7400"));
  bench.garbage(150);
  bench.pass(FrameWatch::kWindow);
  cr_assert_eq(bench.told.size(), 1u);
  cr_assert_not(bench.keeper->health().has_value());
  cr_assert(bench.keeper->findings().empty());
  cr_assert_eq(bench.keeper->counters().count("gate_hooks_gone"), 0u);
}

Test(gate_keeper, a_hook_that_is_taken_down_is_told) {
  Bench bench;
  bench.keeper->start();
  bench.script.gone = {"XDP at eth0"};
  bench.pass(GateKeeper::kCheckInterval);
  cr_assert_eq(bench.told.size(), 1u);
  cr_assert_eq(bench.told[0].detection, policy::DetectionClass::sensor_impaired);
  cr_assert_eq(bench.told[0].evidence.at("detail"), "XDP at eth0 was taken down");
  cr_assert_eq(bench.keeper->counters().at("gate_hooks_gone"), 1u);
}

Test(gate_keeper, what_is_missing_is_a_finding) {
  Bench bench;
  bench.script.health = {"none", false, "eth0 (XDP: Operation not permitted)"};
  bench.keeper->start();
  cr_assert_eq(bench.keeper->findings().size(), 1u);
  cr_assert(*bench.keeper->health() == "none (degraded): eth0 (XDP: Operation not permitted)");
  bench.script.health = {"eth0: tcx", true, ""};
  cr_assert(bench.keeper->findings().empty());
  cr_assert(*bench.keeper->health() == "eth0: tcx");
}

Test(gate_keeper, switched_off_is_said) {
  std::vector<std::string> findings;
  cr_assert(open_gate({.enabled = false}, {}, findings) == nullptr);
  cr_assert_eq(findings.size(), 1u);
}
