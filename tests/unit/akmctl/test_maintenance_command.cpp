#include <criterion/criterion.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_folder.h"
#include "tests/unit/akmctl/akmctl_fixture.h"
#include "tools/akmctl/commands.h"

using namespace akm;
using namespace akm::test;

namespace {

std::string write(const TemporaryFolder& folder, const std::string& name, const std::string& text) {
  const std::string path = folder.path() + "/" + name;
  std::ofstream(path) << text;
  return path;
}

}  // namespace

Test(maintenance_command, lengths) {
  cr_assert_eq(*ctl::window_seconds("90s"), 90);
  cr_assert_eq(*ctl::window_seconds("30m"), 1800);
  cr_assert_eq(*ctl::window_seconds("24h"), 86400);
  for (const char* text : {"", "30", "0m", "25h", "-1s", "1d", "1m1s", "99999999999999999999s"})
    cr_assert_not(ctl::window_seconds(text).has_value(), "%s", text);
}

Test(maintenance_command, drop_ins_are_sent_with_their_policy) {
  const TemporaryFolder folder;
  const std::string path = write(folder, "p.toml", "# as it is\n[policy]\nmode = \"observe\"\n");
  cr_assert(ctl::policy_text(path)->starts_with("# as it is"), "one alone goes as it is");
  std::filesystem::create_directory(path + ".d");
  write(folder, "p.toml.d/10.toml",
        "[policy]\nmode = \"enforce\"\n[responses.key-access]\nlimit_count = 4\n");
  cr_assert_eq(*ctl::policy_text(path), "policy.mode = \"enforce\"\nresponses.key-access.limit_count = 4\n");
  write(folder, "p.toml.d/20.toml", "[policy]\nmood = 1\n");
  cr_assert(ctl::policy_text(path).error().detail.contains("20.toml:2"));
  cr_assert_not(ctl::policy_text(folder.path() + "/none").has_value());
}

Test(maintenance_command, a_window_of_this_node) {
  NEED_ROOT();
  World world(World::With::node);
  const auto run = [&](std::vector<std::string> words) { return world.run(std::move(words)); };
  cr_assert_eq(run({"maintenance", "show"}).out, "No maintenance window is open.\n");
  const Outcome started = run({"maintenance", "start", "--for", "30m", "--why", "an update"});
  cr_assert_eq(started.exit_code, 0, "%s", started.err.c_str());
  cr_assert_eq(world.node_policy.calls.at(0), "start_maintenance  1800");
  cr_assert(run({"maintenance", "show"}).out.contains("an update"));
  cr_assert_eq(run({"maintenance", "stop"}).exit_code, 0);
  cr_assert_eq(run({"maintenance", "stop"}).exit_code, 6);
  cr_assert_eq(run({"maintenance", "start", "--for", "30m"}).exit_code, 2, "a reason is needed");
  cr_assert_eq(run({"maintenance", "start", "--for", "30", "--why", "x"}).exit_code, 2);
}

Test(maintenance_command, windows_and_policies_of_an_nmm) {
  NEED_ROOT();
  World world(World::With::nmm);
  const std::string asr = world.nmm.asrs().at(0).label;
  cr_assert_eq(world.run({"maintenance", "start", "--for", "1h", "--why", "x", "--asr", asr}).exit_code, 0);
  cr_assert(world.nmm_policy.calls.at(0).starts_with("start_maintenance asr:"));
  cr_assert_neq(
      world.run({"maintenance", "start", "--for", "1h", "--why", "x", "--asr", asr, "--domain"}).exit_code,
      0);
  const TemporaryFolder folder;
  const std::string file = write(folder, "p.toml", "[policy]\nmode = \"observe\"\n");
  cr_assert_eq(world.run({"policy", "set", file, "--domain"}).exit_code, 0);
  cr_assert_eq(world.nmm_policy.text, "[policy]\nmode = \"observe\"\n");
  cr_assert_eq(world.run({"policy", "clear", "--domain"}).exit_code, 0);
  cr_assert_eq(world.nmm_policy.text, "");
  cr_assert_eq(world.run({"--json", "policy", "show", "--domain"}).json().at("scope"), "domain");
}
