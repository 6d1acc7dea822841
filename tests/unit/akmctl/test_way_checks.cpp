#include "tools/akmctl/way_checks.h"

#include <criterion/criterion.h>

#include "tests/support/fake_ports.h"
#include "tests/unit/akmctl/machine_root.h"

using namespace akm;
using namespace akm::ctl;
using namespace akm::test;

namespace {

struct Way : MachineRoot {
  Way() {
    seen.node = FakeNode().status();
    seen.node->state = node::NodeState::active;
    seen.node->nmm_id = 0x77;
    seen.node->findings.clear();
    AsrSnapshot asr = sample_asr(1, "provisioning");
    asr.kind = "provisioning";
    seen.node_asrs = {asr};
  }
  [[nodiscard]] Checks checks() const { return way_checks(machine, seen); }
  Sighting seen;
};

}  // namespace

Test(way_checks, an_nmm_that_answers) {
  const Way way;
  cr_assert_eq(way.checks().size(), 2);
  cr_assert(named(way.checks(), "MTU").says.contains("1500 to 192.0.2.1:7400"));
  cr_assert(named(way.checks(), "NMM").says.contains("was heard 12 s ago"), "%s",
            named(way.checks(), "NMM").says.c_str());
  cr_assert(worst(way.checks()) == Health::good);
}

Test(way_checks, one_that_does_not) {
  Way way;
  way.seen.node->findings = {"The NMM does not answer"};
  const Check silent = named(way.checks(), "NMM");
  cr_assert(silent.health == Health::problem && silent.remedy.contains("UDP"), "as status says");
  way.seen.node->findings.clear();
  way.seen.node_asrs[0].members[0].state = "silent";
  way.seen.node_asrs[0].members[0].last_heard_ns = 0;
  cr_assert(named(way.checks(), "NMM").says.contains("not heard since"));
}

Test(way_checks, the_route_and_its_mtu) {
  Way way;
  way.machine.mtu_to = [](const std::string&) { return Result<int>(1247); };
  cr_assert(named(way.checks(), "MTU").health == Health::problem);
  cr_assert(named(way.checks(), "MTU").remedy.contains("1248"));
  way.machine.mtu_to = [](const std::string&) -> Result<int> {
    return fail(Errc::unreachable, "Network is unreachable");
  };
  cr_assert(named(way.checks(), "route").says.contains("Network is unreachable"));
}

Test(way_checks, what_silence_means_follows_the_node_s_state) {
  using node::NodeState;
  Way way;
  way.seen.node->state = NodeState::quarantined;
  cr_assert(named(way.checks(), "NMM").health == Health::good, "it answers a node in quarantine too");
  way.seen.node_asrs[0].members[0].state = "silent";
  for (const auto& [state, health] :
       {std::pair{NodeState::active, Health::problem}, std::pair{NodeState::quarantined, Health::problem},
        std::pair{NodeState::provisioned, Health::warning},
        std::pair{NodeState::activating, Health::notice}}) {
    way.seen.node->state = state;
    cr_assert(named(way.checks(), "NMM").health == health, "state %d", static_cast<int>(state));
  }
}

Test(way_checks, nothing_of_a_node_without_an_nmm_and_a_notice_of_one_that_does_not_tell) {
  Way way;
  way.seen.node->nmm_id = 0;
  cr_assert(way.checks().empty());
  way.seen.node->nmm_id = 0x77;
  way.seen.node_asrs.clear();
  cr_assert(named(way.checks(), "NMM").health == Health::notice);
  way.seen.node.reset();
  cr_assert(named(way.checks(), "NMM").says.contains("not looked at"));
}

Test(way_checks, detections) {
  Way way;
  way.seen.node->probes = {{"D1", "lsm"}, {"D2", "none (degraded): no BTF"}};
  const Checks checks = detection_checks(way.machine, &way.seen);
  cr_assert(named(checks, "D1").health == Health::good);
  cr_assert(named(checks, "D2").health == Health::warning);
  cr_assert(named(checks, "D2").remedy.contains("akm-detections(7)"));
  const Check nobody = named(detection_checks(way.machine, nullptr), "tier");
  cr_assert(nobody.health == Health::notice && nobody.says.contains("user space"));
}
