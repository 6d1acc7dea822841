#include "tools/akmctl/doctor.h"

#include <criterion/criterion.h>

#include "tests/unit/akmctl/akmctl_fixture.h"
#include "tests/unit/akmctl/machine_root.h"
#include "tools/akmctl/overview.h"

using namespace akm;
using namespace akm::ctl;
using namespace akm::test;
using With = World::With;

namespace {

Sighting node_that_says(const std::vector<std::string>& findings) {
  Sighting out;
  out.node = FakeNode().status();
  out.node->findings = findings;
  out.node->probes = {{"D1", "tracepoint (degraded): no BTF"}};
  return out;
}

}  // namespace

Test(doctor_command, says_all_that_status_says) {
  const MachineRoot root;
  const Sighting seen = node_that_says({"The NMM does not answer", "Keys are sealed in software: so it is"});
  const Checks checks = examine(root.machine, &seen);
  for (const Check& one : checks_of(seen)) {
    cr_expect(std::ranges::any_of(checks,
                                  [&](const Check& other) {
                                    return other.says == one.says && other.health == one.health &&
                                           other.remedy == one.remedy;
                                  }),
              "%s", one.says.c_str());
  }
}

Test(doctor_command, a_detection_is_said_once) {
  const MachineRoot root;
  const Sighting seen = node_that_says({"Detection D1 is degraded: no BTF"});
  const Checks checks = examine(root.machine, &seen);
  cr_assert(named(checks, "D1").health == Health::warning);
  cr_assert_eq(std::ranges::count_if(checks, [](const Check& one) { return one.says.contains("no BTF"); }),
               1);
}

Test(doctor_command, without_a_bus) {
  const MachineRoot root;
  Session session;
  session.options.bus = "unix:path=/nonexistent";
  const Checks checks = doctor_checks(root.machine, session);
  cr_assert_eq(checks.front().name, "bus");
  cr_assert(checks.front().health == Health::problem);
  cr_assert(named(checks, "NMM").health == Health::notice, "it could not be looked at");
}

Test(doctor_command, text_and_json) {
  const Checks checks{{"kernel", "BTF", Health::good, "there", ""},
                      {"kernel", "lockdown", Health::warning, "it \xff", "unlock it"},
                      {"tpm", "TPM", Health::notice, "not seen", ""}};
  cr_assert_eq(doctor_text(checks),
               "kernel\nok       BTF: there\nWARNING  lockdown: it \xff\n         Do: unlock it\n\ntpm\n"
               "note     TPM: not seen\n\n1 warning.\n");
  cr_assert_not(doctor_text(checks, true).contains("BTF"));
  cr_assert_eq(doctor_text({checks[0]}, true), "All is well.\n");
  const auto json = nlohmann::json::parse(doctor_json(checks));
  cr_assert_eq(json["health"], "warning");
  cr_assert_eq(json["checks"].size(), 3);
}

Test(doctor_command, as_a_program) {
  NEED_ROOT();
  World world(With::node);
  const Outcome text = world.run({"doctor", "--quiet"});
  const Outcome json = world.run({"--json", "doctor"});
  cr_assert_eq(text.exit_code, json.exit_code, "%s", text.out.c_str());
  const std::map<std::string, int> codes{{"good", 0}, {"notice", 0}, {"warning", 7}, {"problem", 8}};
  cr_assert_eq(json.exit_code, codes.at(json.json()["health"]));
  cr_assert(text.out.ends_with(".\n"), "%s", text.out.c_str());
  cr_assert_eq(world.run({"--host", "elsewhere", "doctor"}).exit_code, 2);
}
