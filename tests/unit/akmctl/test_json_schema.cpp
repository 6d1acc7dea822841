// What akmctl writes with --json, held against the schema that is packaged for those who read it. The schema
// allows fields that it does not know, as readers have to; here none may be there.
#include <criterion/criterion.h>

#include <CLI/CLI.hpp>
#include <set>
#include <sstream>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "dbus/sealed_memfd.h"
#include "tests/unit/akmctl/akmctl_fixture.h"
#include "tools/akmctl/command_tree.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/exit_code.h"

using namespace akm;
using namespace akm::test;
using nlohmann::json;
using With = World::With;

namespace {

/// Nothing but the properties that are named.
void close_objects(json& schema) {
  if (schema.is_object() && schema.contains("properties") && !schema.contains("additionalProperties"))
    schema["additionalProperties"] = false;
  for (json& below : schema) {
    if (below.is_structured()) close_objects(below);
  }
}

json the_schema() {
  return json::parse(whole_file(AKM_SOURCE_FOLDER "/packaging/json/akmctl.schema.json"), nullptr, false);
}

class Judge {
 public:
  Judge() : all_(the_schema()) {
    cr_assert(all_.is_object(), "the schema is no JSON");
    close_objects(all_["definitions"]);
    close_objects(all_["properties"]);
  }

  /// Each line of the output is one value.
  void hold(const std::string& command, const Outcome& outcome) {
    // status and doctor say by it what they found.
    const bool done = outcome.exit_code == ctl::kExitOk || outcome.exit_code >= ctl::kExitWarning;
    cr_expect(done, "%s: exit %d, %s", command.c_str(), outcome.exit_code, outcome.err.c_str());
    cr_assert(all_["properties"].contains(command), "%s is not in the schema", command.c_str());
    const json one{{"definitions", all_["definitions"]}, {"allOf", {all_["properties"][command]}}};
    valijson::Schema schema;
    valijson::SchemaParser parser;
    const valijson::adapters::NlohmannJsonAdapter of_schema(one);
    parser.populateSchema(of_schema, schema);
    std::istringstream lines(outcome.out);
    for (std::string line; std::getline(lines, line);) {
      const json value = json::parse(line, nullptr, false);
      cr_expect(!value.is_discarded(), "%s writes no JSON: %s", command.c_str(), line.c_str());
      if (value.is_discarded()) continue;
      valijson::Validator validator;
      valijson::ValidationResults results;
      const valijson::adapters::NlohmannJsonAdapter of_value(value);
      const bool good = validator.validate(schema, of_value, &results);
      std::string why;
      for (valijson::ValidationResults::Error error; results.popError(error);) why += error.description + " ";
      cr_expect(good, "%s: %s\n%s", command.c_str(), why.c_str(), line.c_str());
      if (good) held_.insert(command);
    }
  }
  [[nodiscard]] bool has_held(const std::string& command) const { return held_.contains(command); }

 private:
  json all_;
  std::set<std::string> held_;
};

struct Case {
  std::string command;
  std::vector<std::string> arguments = {};
  std::string input = {};
};

void hold_all(Judge& judge, World& world, const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    std::vector<std::string> words{"--json"};
    std::istringstream command(one.command);
    for (std::string word; command >> word;) words.push_back(word);
    words.insert(words.end(), one.arguments.begin(), one.arguments.end());
    judge.hold(one.command, world.run(words, one.input));
    cr_expect(judge.has_held(one.command), "nothing was seen of %s", one.command.c_str());
  }
}

UniqueFd a_code() {
  constexpr std::string_view kCode = "ABCDE-FGHJK";
  return std::move(
      *dbus::make_sealed_memfd("test", {reinterpret_cast<const std::uint8_t*>(kCode.data()), kCode.size()}));
}

const std::string kValue(64, 'a');

}  // namespace

Test(json_schema, has_every_command_and_no_other) {
  const json schema = the_schema();
  ctl::Session session;
  CLI::App app;
  ctl::build(app, session);
  std::set<std::string> commands;
  ctl::each_command(app, [&](const std::string& words, CLI::App&) { commands.insert(words); });
  commands.erase("metrics");  // OpenMetrics text either way
  for (const std::string& command : commands)
    cr_expect(schema["properties"].contains(command), "%s is not in the schema", command.c_str());
  for (const auto& [command, form] : schema["properties"].items())
    cr_expect(commands.contains(command), "%s is no command", command.c_str());
  // Sealing is one code for the three: what is seen of one below holds for the others.
  for (const char* command : {"pcr show", "pcr predict", "pcr authorize", "reseal", "recover"}) {
    for (const char* service : {"nmm ", "root "})
      cr_expect(schema["properties"][service + std::string(command)] ==
                schema["properties"]["node " + std::string(command)]);
  }
}

Test(json_schema, of_a_node) {
  NEED_ROOT();
  Judge judge;
  World world(With::node);
  const std::string folder = world.daemon.folder();
  hold_all(judge, world,
           {{"status"},
            {"doctor"},
            {"support-bundle", {"--out", folder + "/support.tar.gz"}},
            {"node status"},
            {"node identity"},
            {"node identity", {"--out", folder + "/identity"}},
            {"node provision", {"/a", "--code-file", "-"}, "A"},
            {"node activate"},
            {"node rehome"},
            {"node generalize", {"--yes"}},
            {"node zeroize", {"--yes"}},
            {"node pcr show"},
            {"node pcr predict", {"--set", "7=" + kValue, "--out", folder + "/sign"}},
            {"node pcr authorize", {"--set", "7=" + kValue, "--signature", folder + "/sign"}},
            {"node reseal", {"--recovery-file", "-"}, "correct horse battery"},
            {"asr list"},
            {"asr show", {"alpha"}},
            {"asr rekey", {"alpha"}},
            {"asr release-key", {"alpha", "815"}},
            {"audit verify"},
            {"audit show"},
            {"audit export"},
            {"incident list"},
            {"incident show", {"0000000000000abc"}},
            {"incident export", {"0000000000000abc"}},
            {"policy show"},
            {"maintenance start", {"--for", "30m", "--why", "an update"}},
            {"maintenance show"},
            {"maintenance stop"}});
  const Observer observer = world.node_adaptor.observer();
  judge.hold("monitor", world.run({"--json", "monitor", "--count", "2"}, {}, [&] {
    observer.event({"breach-detected", 2, 1'500'000'000, 0x1, {{"comm", "keyctl"}}});
  }));
  cr_expect(judge.has_held("monitor"));
}

Test(json_schema, of_an_nmm) {
  NEED_ROOT();
  Judge judge;
  World world(With::nmm);
  world.nmm.identity.value.assign(32, 0x42);
  world.nmm.drives = {{"/dev/sdb1", "ACME Stick", 3ULL << 30, "vfat", {"/media/usb"}, ""}};
  world.nmm.code = a_code();
  const std::string identity = world.daemon.folder() + "/identity";
  std::ofstream(identity) << "identity";
  const std::string policy = world.daemon.folder() + "/policy.toml";
  std::ofstream(policy) << "[policy]\nmode = \"observe\"\n";
  const std::string backup = world.daemon.folder() + "/backup";
  hold_all(judge, world,
           {{"nmm status"},
            {"nmm init"},
            {"nmm bundle", {"C", "--to", "/media/usb"}},
            {"nmm bundle", {"C", "--for", identity, "--to", "/media/usb"}},
            {"nmm bundle", {"C", "--to-token", "pkcs11:token=one", "--pin-file", "-"}, "1234"},
            {"nmm drives"},
            {"nmm provision", {"C", "--bus-address", "unix:path=/run/c", "--yes"}},
            {"nmm node", {"A"}},
            {"nmm nodes"},
            {"nmm reprovision", {"A"}},
            {"nmm rehome", {"A", "--hardware-value", kValue}},
            {"nmm retire", {"A", "--yes"}},
            {"nmm accept-hardware", {"--yes"}},
            {"nmm attest", {"A", "--golden", kValue}},
            {"nmm identity"},
            {"nmm backup", {backup + "1"}},
            {"nmm backup", {backup + "2", "--recovery-file", "-"}, "correct horse battery"},
            {"nmm restore-test", {backup + "1", "--recovery-file", "-"}, "S"},
            {"nmm restore", {backup + "1", "--yes", "--recovery-file", "-"}, "S"},
            {"nmm join", {"/a", "--code-file", "-"}, "A"},
            {"asr list"},
            {"asr create", {"beta", "A", "B"}},
            {"asr set", {"alpha", "rekey_interval_s=600"}},
            {"asr add", {"alpha", "B"}},
            {"asr remove", {"alpha", "B"}},
            {"asr confirm", {"alpha"}},
            {"asr delete", {"alpha", "--yes"}},
            {"quarantine", {"A"}},
            {"readmit", {"A"}},
            {"policy set", {policy, "--domain"}},
            {"policy clear", {"--domain"}}});
  world.nmm.attested.outcome = "same";
  hold_all(judge, world, {{"nmm attest", {"A"}}});
}

Test(json_schema, of_a_root) {
  NEED_ROOT();
  Judge judge;
  World world(With::root);
  const std::string identity = world.daemon.folder() + "/identity";
  std::ofstream(identity) << "identity";
  world.root.code = a_code();
  hold_all(judge, world,
           {{"root status"},
            {"root init"},
            {"root nmms"},
            {"root nmm prepare", {"north", "--hardware-value", kValue, "--to", "/media/usb"}},
            {"root nmm prepare", {"north", "--for", identity, "--to", "/media/usb"}},
            {"root nmm provision", {"north", "--direct", "unix:path=/run/c", "--yes"}},
            {"root nmm replace", {"north", "--direct", "unix:path=/run/c", "--yes"}},
            {"root get", {"domain"}},
            {"root get", {"policy"}},
            {"root history"},
            {"root nodes"},
            {"root asrs", {"--nmm", "north"}},
            {"root incidents"},
            {"root set", {"policy", "0000000000000005", "-f", "nnrt_ms=1000"}},
            {"root remove", {"node", "00000000000000a1"}},
            {"root rollback", {"3"}},
            {"root diff", {"1", "2"}},
            {"root history prune", {"--keep", "2", "--yes"}}});
}

Test(json_schema, of_files) {
  Judge judge;
  World world(With::nothing);
  const std::string policy = world.daemon.folder() + "/policy.toml";
  std::ofstream(policy) << "[policy]\nmode = \"observe\"\n";
  const std::string incident = world.daemon.folder() + "/incident";
  std::ofstream(incident) << R"({"class":"key-access","grade":"critical","outcome":"succeeded",)"
                          << R"("boottime_ns":1,"node":"a"})"
                          << "\n";
  hold_all(judge, world,
           {{"policy check", {policy}},
            {"policy example"},
            {"policy explain", {"--file", policy}},
            {"policy simulate", {incident, "--file", policy}}});
}
