#include "daemon/nmm/policy_merge.h"

#include <criterion/criterion.h>

#include "daemon/service/policy_file.h"

using namespace akm;
using namespace akm::nmm;
using protocol::DetectionPolicy;

namespace {

DetectionPolicy of(const std::string& text) {
  const auto config = service::Config::parse(text, "test", service::policy_file_schema());
  cr_assert(config.has_value(), "%s", config ? "" : config.error().detail.c_str());
  DetectionPolicy out;
  out.own = false;
  out.set = config->set_values();
  out.tables = config->set_tables();
  std::erase_if(out.tables, [](const auto& table) { return table.second.empty(); });
  return out;
}

/// As the node reads it.
policy::NodePolicy read(const DetectionPolicy& policy) {
  const auto config = service::Config::of(policy.set, policy.tables, "merged", service::policy_file_schema());
  cr_assert(config.has_value());
  auto out = service::node_policy(*config);
  cr_assert(out.has_value(), "%s", out ? "" : out.error().detail.c_str());
  return *out;
}

policy::NodePolicy of_both(const std::string& one, const std::string& other) {
  const policy::NodePolicy out = read(strictest({of(one), of(other)}));
  cr_assert(out == read(strictest({of(other), of(one)})), "the order does not matter");
  return out;
}

constexpr auto kKeys = policy::DetectionClass::key_access;
constexpr auto kModules = policy::DetectionClass::module_load;

}  // namespace

Test(policy_merge, one_alone_stays_as_it_is) {
  const DetectionPolicy one = of("[policy]\nmode = \"observe\"\n");
  cr_assert(strictest({one}) == one);
  cr_assert(strictest({}) == DetectionPolicy{});
}

Test(policy_merge, enforced_is_what_one_enforces) {
  const auto policy =
      of_both("[policy]\nmode = \"observe\"\n", "[responses.module-load]\nmode = \"observe\"\n");
  cr_assert_eq(policy.of(kKeys).mode, policy::Mode::enforce, "the other one says nothing of it: its default");
  cr_assert_eq(policy.of(kModules).mode, policy::Mode::observe, "both say so");
}

Test(policy_merge, grades_responses_and_limits) {
  const auto policy = of_both(
      "[responses.key-access]\nat_most = \"evidence\"\non_evidence = [\"rekey\", \"log\"]\nlimit_count = 3\n"
      "[responses.module-load]\non_evidence = [\"log\"]\n",
      "[responses.key-access]\non_evidence = [\"revoke-local\", \"report\", \"log\"]\nlimit_window_s = 30\n"
      "[responses.module-load]\non_evidence = [\"log\"]\n");
  cr_assert_eq(policy.of(kKeys).at_most, policy::Grade::critical);
  std::vector<policy::Response> all = policy.of(kKeys).on_evidence;
  std::ranges::sort(all);
  cr_assert(all == std::vector({policy::Response::revoke_local, policy::Response::report,
                                policy::Response::rekey, policy::Response::log}));
  cr_assert_eq(policy.of(kKeys).limit.count, 10U);
  cr_assert_eq(policy.of(kKeys).limit.window_s, 30U);
  cr_assert(policy.of(kModules).on_evidence == std::vector{policy::Response::log});
}

Test(policy_merge, only_what_all_excuse_is_excused) {
  const std::string agent = "[[allow]]\nname = \"agent\"\nclasses = [\"bpf-use\"]\ncgroup = \"/a\"\n";
  const std::string tool = "[[allow]]\nname = \"tool\"\nclasses = [\"bpf-use\"]\ncgroup = \"/b\"\n";
  const auto policy = of_both(
      "[maintenance]\nlowers = [\"module-load\", \"usb-insertion\"]\nlongest_s = 600\n" + agent + tool,
      "[maintenance]\nlowers = [\"module-load\"]\nat_node = false\n" + agent);
  cr_assert_eq(policy.allowances.size(), 1);
  cr_assert_eq(policy.allowances[0].name, "agent");
  cr_assert(policy.maintenance.lowers == std::vector{kModules});
  cr_assert_eq(policy.maintenance.longest_s, 600U);
  cr_assert_not(policy.maintenance.at_node);
}

Test(policy_merge, all_combinations_count) {
  const auto rule = [](const std::string& within) {
    return "[[combinations]]\nname = \"x\"\nfirst = [\"bpf-use\"]\nthen = [\"module-load\"]\nwithin_s = " +
           within + "\n";
  };
  const auto same = read(strictest({of(rule("60")), of(rule("60"))}));
  cr_assert_eq(same.combinations.size(), 3, "the two that are built in, and one");
  const auto other =
      read(strictest({of("[policy]\nstandard_combinations = false\n" + rule("60")), of(rule("90"))}));
  cr_assert_eq(other.combinations.size(), 4);
  cr_assert_eq(other.combinations[2].name, "x");
  cr_assert_eq(other.combinations[3].name, "x-2");
  cr_assert_eq(other.combinations[3].within_s, 90U);
}

Test(policy_merge, of_two_hooks_the_first_holds) {
  const auto policy = read(strictest({of("[hook]\nprogram = \"/a\"\n"), of("[hook]\nprogram = \"/b\"\n")}));
  cr_assert_eq(policy.hook.program, "/a");
  cr_assert_eq(
      read(strictest({of("[policy]\nmode = \"enforce\"\n"), of("[hook]\nprogram = \"/b\"\n")})).hook.program,
      "/b");
}
