#include "tools/akmctl/overview.h"

#include <criterion/criterion.h>

#include <nlohmann/json.hpp>

#include "tests/support/fake_ports.h"
#include "tests/unit/akmctl/akmctl_fixture.h"

using namespace akm;
using namespace akm::ctl;
using namespace akm::test;
using With = World::With;

namespace {

AsrSnapshot sound_asr() {
  AsrSnapshot asr = sample_asr(1, "alpha");
  asr.chain = "normal";
  asr.stragglers.clear();
  asr.waits_for.clear();
  return asr;
}

/// A node, an NMM and a Root that want nothing.
Sighting sound() {
  Sighting out;
  out.node = FakeNode().status();
  out.node_asrs = {sound_asr()};
  out.nmm = FakeNmm().status();
  out.nmm->findings.clear();
  out.nmm->hardware_protected = true;
  out.nodes = {{0xa1, "A", "active", 1, "", 1, {}, ""}, {0xb2, "B", "prepared", 1, "", 0, {}, ""}};
  out.nmm_asrs = {sound_asr()};
  out.root = FakeRoot().status();
  out.root->findings.clear();
  out.nmms = {{0x77, "north", "active", 2, "", 1, "0.1.0", 2, 1}};
  return out;
}

bool says(const Checks& checks, Health health, const std::string& what, const std::string& remedy) {
  return std::ranges::any_of(checks, [&](const Check& one) {
    return one.health == health && one.says.contains(what) && one.remedy.contains(remedy);
  });
}

}  // namespace

Test(overview, all_is_well) {
  const Sighting sighting = sound();
  cr_assert(checks_of(sighting).empty());
  const std::string text = overview_text(sighting, {});
  cr_assert(text.contains("akmd       active  A"), "%s", text.c_str());
  cr_assert(text.contains("akm-nmmd   ready"), "%s", text.c_str());
  cr_assert(text.contains("2 nodes (1 active, 1 prepared)"), "%s", text.c_str());
  cr_assert(text.ends_with("All is well.\n"), "%s", text.c_str());
}

Test(overview, each_state_of_a_node_that_is_not_in_service_says_what_to_do) {
  using State = node::NodeState;
  const std::vector<std::pair<State, std::string>> wanted{{State::unprovisioned, "akmctl node provision"},
                                                          {State::provisioned, "akmctl node activate"},
                                                          {State::activating, "wait"},
                                                          {State::quarantined, "akmctl readmit A"},
                                                          {State::sealed_unavailable, "by itself"}};
  for (const auto& [state, remedy] : wanted) {
    Sighting sighting = sound();
    sighting.node->state = state;
    const Checks checks = checks_of(sighting);
    cr_assert_eq(checks.size(), 1);
    cr_expect(checks[0].remedy.contains(remedy), "%s", checks[0].remedy.c_str());
    cr_expect(checks[0].health != Health::good);
  }
}

Test(overview, what_an_nmm_waits_for) {
  Sighting sighting = sound();
  for (const char* name : {"c", "d", "e", "f", "g", "h"})
    sighting.nodes.push_back({0xc3, name, "silent", 1, "", 1, {}, ""});
  sighting.nodes.push_back({0xd4, "q", "quarantined", 1, "", 1, {}, ""});
  sighting.nmm_asrs[0].stragglers = {{0xc3, "c", "switch", 0}};
  const Checks checks = checks_of(sighting);
  cr_assert(says(checks, Health::warning, "6 nodes not heard: c, d, e, f and 2 more", "--forget"));
  cr_assert(says(checks, Health::problem, "1 node in quarantine: q", "akmctl readmit NODE"));
  cr_assert(says(checks, Health::warning, "alpha for c", "akmctl asr show"));
  cr_assert(checks.front().health == Health::problem, "the worst stands first");
  sighting.nmm->state = "no-root-secret";
  cr_assert(says(checks_of(sighting), Health::warning, "no root secret", "akmctl nmm init"));
}

Test(overview, of_a_node_and_a_root) {
  Sighting sighting = sound();
  sighting.node->bundles = {{"/dev/sdb1", "a.akmbundle", 4, ""}, {"/dev/sdc1", "", 0, "It is too large"}};
  sighting.node_asrs[0].chain = "failsafe";
  sighting.node->findings = {"The NMM does not answer"};
  sighting.nmms[0].state = "silent";
  sighting.root->state = "no-root-secret";
  sighting.untold = {"the NMM's nodes: no"};
  const Checks checks = checks_of(sighting);
  cr_assert(says(checks, Health::notice, "/dev/sdb1/a.akmbundle", "akmctl node provision --from /dev/sdb1"));
  cr_assert(says(checks, Health::warning, "It is too large", "pull it out"));
  cr_assert(says(checks, Health::warning, "alpha (failsafe)", "akmctl asr show"));
  cr_assert(says(checks, Health::problem, "The NMM does not answer", "akmctl doctor"));
  cr_assert(says(checks, Health::warning, "1 NMM not heard: north", "akmctl root nmm replace"));
  cr_assert(says(checks, Health::warning, "the domain has no secret", "akmctl root init"));
  cr_assert(says(checks, Health::notice, "not all was told", "uid 0"));
}

Test(overview, stays_on_one_screen) {
  Sighting sighting = sound();
  for (int i = 0; i < 40; ++i) sighting.node->findings.push_back("Finding " + std::to_string(i));
  const std::string text = overview_text(sighting, checks_of(sighting));
  cr_assert(text.contains("\n28 more: "), "%s", text.c_str());
  cr_assert_lt(std::ranges::count(text, '\n'), 40);
}

Test(overview, status_as_a_program) {
  NEED_ROOT();
  World world(With::both);
  world.node.relationships = {sound_asr()};
  world.nmm.relationships = {sound_asr()};
  world.nmm.members = {{0xa1, "A", "active", 1, "", 1, {}, ""}};
  world.nmm.snapshot.findings.clear();
  const Outcome well = world.run({"status"});
  cr_assert_eq(well.exit_code, 0, "%s%s", well.out.c_str(), well.err.c_str());
  cr_assert(well.out.contains("All is well."), "%s", well.out.c_str());
  world.nmm.snapshot.findings = {"Keys are sealed in software: whoever copies the disk can open them"};
  const Outcome warned = world.run({"--json", "status"});
  cr_assert_eq(warned.exit_code, 7, "%s", warned.out.c_str());
  cr_assert_eq(warned.json()["health"], "warning");
  cr_assert_eq(warned.json()["services"].size(), 2);
  world.node.snapshot.state = node::NodeState::quarantined;
  cr_assert_eq(world.run({"status"}).exit_code, 8);
}

Test(overview, status_where_nothing_runs) {
  World world(With::nothing);
  const Outcome outcome = world.run({"status"});
  cr_assert_eq(outcome.exit_code, 3);
  cr_assert(outcome.err.contains("systemctl start akmd"), "%s", outcome.err.c_str());
}
