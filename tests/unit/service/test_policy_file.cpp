#include "daemon/service/policy_file.h"

#include <criterion/criterion.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "daemon/service/recovery_text.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::service;
using policy::DetectionClass;
using policy::Response;

namespace {

Result<policy::NodePolicy> policy_of(const std::string& text) {
  const auto config = Config::parse(text, "policy.toml", policy_file_schema());
  if (!config) return std::unexpected(config.error());
  return node_policy(*config);
}

std::string error_of(const std::string& text) {
  const auto policy = policy_of(text);
  cr_assert_not(policy.has_value(), "was accepted: %s", text.c_str());
  cr_assert_eq(policy.error().code, Errc::config_invalid);
  return policy.error().detail;
}

}  // namespace

Test(policy_file, without_a_word_it_is_the_default) {
  const auto policy = policy_of("");
  cr_assert(policy.has_value());
  cr_assert(*policy == policy::default_node_policy());
  const auto none = load_policy_file("/nonexistent/policy.toml");
  cr_assert(none.has_value());
  cr_assert(*node_policy(*none) == policy::default_node_policy());
}

Test(policy_file, all_of_it_is_text) {
  const auto policy = policy_of(R"([responses.key-access]
mode = "observe"
at_most = "evidence"
on_critical = ["zeroize", "report", "log"]
limit_count = 3
[policy]
standard_combinations = false
[[combinations]]
name = "mine"
first = ["usb-insertion"]
then = ["tpm-access", "kexec-load"]
within_s = 30
any_order = true
[[allow]]
name = "agent"
classes = ["bpf-use"]
cgroup = "/system.slice/agent.service"
[maintenance]
lowers = ["module-load"]
longest_s = 600
[hook]
program = "/usr/local/sbin/page"
timeout_s = 5
)");
  cr_assert(policy.has_value(), "%s", policy ? "" : policy.error().message().c_str());
  const auto& keys = policy->of(DetectionClass::key_access);
  cr_assert_eq(keys.mode, policy::Mode::observe);
  cr_assert_eq(keys.at_most, policy::Grade::evidence);
  cr_assert_eq(keys.on_critical.at(0), Response::zeroize);
  cr_assert_eq(keys.limit.count, 3);
  cr_assert_eq(policy->combinations.size(), 1);
  cr_assert_eq(policy->combinations[0].then.size(), 2);
  cr_assert(policy->combinations[0].any_order);
  cr_assert_eq(policy->allowances.at(0).cgroup, "/system.slice/agent.service");
  cr_assert_eq(policy->maintenance.lowers.size(), 1);
  cr_assert_eq(policy->maintenance.longest_s, 600);
  cr_assert_eq(policy->hook.program, "/usr/local/sbin/page");
}

Test(policy_file, one_word_makes_all_observe) {
  const auto policy = policy_of("[policy]\nmode = \"observe\"\n");
  cr_assert(policy.has_value());
  for (const auto& one : policy->classes) cr_assert_eq(one.mode, policy::Mode::observe);
}

Test(policy_file, mistakes_name_file_and_line) {
  cr_assert_eq(error_of("\n[responses.key-axess]\nmode = \"observe\"\n"),
               "policy.toml:2: unknown key responses.key-axess");
  cr_assert(error_of("[responses.key-access]\non_critical = [\"explode\"]\n").starts_with("policy.toml:2: "));
  cr_assert(error_of("[responses.forged-frames]\non_observe = [\"report\"]\n")
                .starts_with("policy.toml:2: responses.forged-frames.on_observe: report cannot follow"));
  cr_assert(error_of("[responses.module-load]\nat_most = \"critical\"\n")
                .contains("must be one of \"observe\" \"evidence\""));
  cr_assert(error_of("[[allow]]\nname = \"x\"\nclasses = [\"key-access\"]\ndigest = \"\"\n")
                .contains("key-access"));
  cr_assert(
      error_of("[[combinations]]\nname = \"x\"\nfirst = [\"nothing\"]\n").contains("no such class: nothing"));
  cr_assert(error_of("[responses.key-access]\non_critical = [\"hook\"]\n").contains("hook without"));
}

Test(policy_file, drop_ins_come_later) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("policy.toml", "[responses.key-access]\nlimit_count = 3\n");
  std::filesystem::create_directory(path + ".d");
  folder.write("policy.toml.d/10-x.toml", "[responses.key-access]\nlimit_count = 4\n");
  const auto config = load_policy_file(path);
  cr_assert(config.has_value());
  cr_assert_eq(node_policy(*config)->of(DetectionClass::key_access).limit.count, 4);
}

Test(policy_file, values_that_travel_make_the_same_policy) {
  const Schema schema = policy_file_schema();
  const auto config = Config::parse(
      "[responses.key-access]\nlimit_count = 3\n[[allow]]\nname = \"a\"\nclasses = [\"bpf-use\"]\n"
      "cgroup = \"/x\"\n[policy]\nstandard_combinations = false\n",
      "p", schema);
  cr_assert(config.has_value());
  cr_assert_eq(config->set_values().size(), 2, "only what was set");
  const auto again = Config::of(config->set_values(), config->set_tables(), "the NMM", schema);
  cr_assert(again.has_value(), "%s", again ? "" : again.error().message().c_str());
  cr_assert(*node_policy(*again) == *node_policy(*config));
  const auto by_text = Config::parse(text_of(config->set_values(), config->set_tables()), "text", schema);
  cr_assert(by_text.has_value(), "%s", by_text ? "" : by_text.error().message().c_str());
  cr_assert(*node_policy(*by_text) == *node_policy(*config));
  cr_assert_not(
      Config::of({{"responses.x.mode", std::string("observe")}}, {}, "the NMM", schema).has_value());
  cr_assert_not(Config::of({{"hook.timeout_s", std::int64_t{0}}}, {}, "the NMM", schema).has_value());
  cr_assert_not(Config::of({}, {{"nothing", {}}}, "the NMM", schema).has_value());
  cr_assert_not(Config::of({{"allow[].name", std::string("x")}}, {}, "the NMM", schema).has_value());
}

// The file that is shipped says nothing but the defaults, every key of them.
Test(policy_file, the_example_is_what_the_schema_makes) {
  const Schema schema = policy_file_schema();
  const auto shipped = load_policy_file(AKM_SOURCE_DIR "/packaging/config/policy.toml");
  cr_assert(shipped.has_value(), "%s", shipped ? "" : shipped.error().message().c_str());
  cr_assert(*node_policy(*shipped) == policy::default_node_policy());
  std::ifstream in(AKM_SOURCE_DIR "/packaging/config/policy.toml");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  cr_assert(text == example_config(kPolicyTitle, schema), "renew it: akmctl policy example");
}

// The reference of docs/policy.md names every key.
Test(policy_file, every_key_is_documented) {
  std::ifstream in(AKM_SOURCE_DIR "/docs/policy.md");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  for (const Setting& setting : policy_file_schema()) {
    std::string name = setting.name;
    if (name.starts_with("responses.")) name = "responses.CLASS" + name.substr(name.rfind('.'));
    cr_assert(text.contains("`" + name + "`"), "%s", name.c_str());
  }
}
