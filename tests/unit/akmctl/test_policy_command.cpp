#include <criterion/criterion.h>

#include <fstream>

#include "tests/support/temporary_folder.h"
#include "tests/unit/akmctl/akmctl_fixture.h"

using namespace akm;
using namespace akm::test;

namespace {

std::string write(const TemporaryFolder& folder, const std::string& name, const std::string& text) {
  const std::string path = folder.path() + "/" + name;
  std::ofstream(path) << text;
  return path;
}

}  // namespace

Test(policy_command, check_names_file_and_line) {
  World world(World::With::nothing);
  const TemporaryFolder folder;
  const std::string good = write(folder, "good.toml", "[responses.key-access]\nmode = \"observe\"\n");
  cr_assert_eq(world.run({"policy", "check", good}).exit_code, 0);
  const std::string bad =
      write(folder, "bad.toml", "\n[responses.forged-frames]\non_observe = [\"rekey\"]\n");
  const Outcome outcome = world.run({"policy", "check", good, bad});
  cr_assert_neq(outcome.exit_code, 0);
  cr_assert(outcome.err.contains("bad.toml:3: responses.forged-frames.on_observe: rekey cannot follow"), "%s",
            outcome.err.c_str());
  const std::string rule = write(folder, "rule.toml",
                                 "[[combinations]]\nname = \"x\"\nfirst = [\"forged-frames\"]\n"
                                 "then = [\"tpm-access\"]\n");
  cr_assert(world.run({"policy", "check", rule}).err.contains("rule.toml: combination \"x\": forged-frames"));
}

Test(policy_command, explain_says_what_holds) {
  World world(World::With::nothing);
  const TemporaryFolder folder;
  const std::string file = write(folder, "p.toml", "[responses.key-access]\nat_most = \"evidence\"\n");
  const Outcome all = world.run({"policy", "explain", "--file", file});
  cr_assert(all.out.contains("forged-frames"), "%s", all.out.c_str());
  const auto one = world.run({"--json", "policy", "explain", "D1", "--file", file}).json();
  cr_assert_eq(one.at(0).at("class"), "key-access");
  cr_assert_eq(one.at(0).at("ceiling"), "critical");
  cr_assert_eq(one.at(0).at("at_most"), "evidence");
  cr_assert_eq(world.run({"policy", "explain", "no-such", "--file", file}).exit_code, 6);
}

Test(policy_command, simulate_shows_what_would_be) {
  World world(World::With::nothing);
  const TemporaryFolder folder;
  const std::string incident =
      write(folder, "i.jsonl",
            R"({"class":"key-access","grade":"critical","outcome":"succeeded","boottime_ns":1,"node":"a"})"
            "\n");
  const std::string none = folder.path() + "/none.toml";
  const Outcome text = world.run({"policy", "simulate", incident, "--file", none});
  cr_assert(text.out.contains("revoke-local report signal log"), "%s%s", text.out.c_str(), text.err.c_str());
  cr_assert(text.out.contains("evict"));
  const std::string file = write(folder, "p.toml", "[policy]\nmode = \"observe\"\n");
  const auto json = world.run({"--json", "policy", "simulate", incident, "--file", file}).json();
  cr_assert_eq(json.at("verdict"), "");
  cr_assert_eq(json.at("not_done").size(), 2);
}
