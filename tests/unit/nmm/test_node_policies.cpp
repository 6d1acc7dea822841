#include "daemon/nmm/node_policies.h"

#include <criterion/criterion.h>

#include "daemon/base/hex.h"
#include "tests/unit/nmm/requests_fixture.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using protocol::ControlStatus;
using namespace std::chrono_literals;

namespace {

constexpr RunningClock::BootId kBoot{1};
constexpr const char* kObserve = "[policy]\nmode = \"observe\"\n";

/// Nodes 1 and 2, active; both are in the ASR 7, node 3 is in none.
struct Fixture : RequestsFixture {
  std::optional<NodePolicies> policies;
  std::vector<std::string> said;

  Fixture() : RequestsFixture(3) {
    for (protocol::NodeId id = 1; id <= 3; ++id) {
      NodeRecord node = *registry.node(id);
      node.state = NodeState::active;
      node.activated_serial = node.serial;
      cr_assert(registry.put(std::move(node)));
    }
    cr_assert(registry.put(asr_record(7, {1, 2})));
    start();
  }
  void start() {
    policies.emplace(
        NodePolicies::Parts{store, registry, requests, [this] { return now; },
                            [this](std::string_view name, std::uint8_t, std::string_view,
                                   const std::map<std::string, std::string>&) { said.emplace_back(name); }});
    cr_assert(policies->load(kBoot, now).has_value());
    pump();
  }
  void pump() { policies->pump(now); }
  void set(const std::string& scope, const std::string& text) {
    const Status set = policies->set_policy_text(scope, text);
    cr_assert(set.has_value(), "%s", set ? "" : set.error().message().c_str());
    pump();
  }
  [[nodiscard]] protocol::DetectionPolicy told(std::size_t which) const {
    cr_assert(sent.at(which).method == protocol::Method::detection_policy);
    return *protocol::DetectionPolicy::decode(sent.at(which).body);
  }
  void answer_all(std::size_t from = 0) {
    for (std::size_t i = from; i < sent.size(); ++i) answer(i, ControlStatus::ok);
  }
};

const std::string kAsr = "asr:" + hex_id(7);

}  // namespace

Test(node_policies, nobody_is_told_where_nothing_is_set) {
  Fixture f;
  for (protocol::NodeId id = 1; id <= 3; ++id) f.policies->heard(id, f.now);
  f.pump();
  cr_assert(f.sent.empty());
  cr_assert_not(f.policies->next_deadline().has_value());
}

Test(node_policies, each_node_is_told_until_it_has_answered) {
  Fixture f;
  f.set("domain", kObserve);
  cr_assert_eq(f.sent.size(), 3);
  cr_assert_not(f.told(0).own);
  cr_assert_eq(std::get<std::string>(f.told(0).set.at("policy.mode")), "observe");
  f.answer(0, ControlStatus::ok);
  f.answer(1, ControlStatus::ok);
  f.lose(2);
  cr_assert(f.policies->policy_facts("domain")->at("waiting").contains("n"));
  f.now = *f.policies->next_deadline();
  f.pump();
  cr_assert_eq(f.sent.size(), 4);
  f.answer(3, ControlStatus::ok);
  cr_assert_eq(f.policies->policy_facts("domain")->at("waiting"), "");
  f.policies->heard(1, f.now);
  f.pump();
  cr_assert_eq(f.sent.size(), 4, "it has it");
}

Test(node_policies, also_after_a_restart) {
  Fixture f;
  f.set("domain", kObserve);
  f.answer(0, ControlStatus::ok);
  f.start();
  const std::size_t again = f.sent.size() - 3;
  cr_assert_geq(again, 2, "who has not answered");
  f.answer_all(3);
  f.sent.clear();
  f.start();
  cr_assert(f.sent.empty(), "all have answered");
}

Test(node_policies, an_asr_s_policy_is_for_its_members) {
  Fixture f;
  f.set(kAsr, "[policy]\nmode = \"observe\"\n[recovery]\nquorum_floor = 5\n");
  cr_assert_eq(f.sent.size(), 2);
  cr_assert_eq(f.told(0).set.size(), 1, "what is the NMM's is not told");
  f.answer_all();
  f.sent.clear();
  f.set("domain", "[policy]\nmode = \"enforce\"\nstandard_combinations = false\n");
  cr_assert_eq(f.sent.size(), 3);
  for (std::size_t i = 0; i < 2; ++i) {
    cr_assert_eq(std::get<std::string>(f.told(i).set.at("policy.mode")), "observe", "the ASR's wins");
    cr_assert_eq(std::get<bool>(f.told(i).set.at("policy.standard_combinations")), false);
  }
  f.answer_all();
  f.sent.clear();
  f.set(kAsr, "");
  f.answer_all();
  f.set("domain", "");
  cr_assert(f.told(f.sent.size() - 1).own, "its own file holds again");
}

Test(node_policies, of_several_relationships_the_strictest_word_holds) {
  Fixture f;
  cr_assert(f.registry.put(asr_record(8, {1, 3})));
  f.set("asr:" + hex_id(8), "[responses.key-access]\nmode = \"enforce\"\nlimit_count = 20\n");
  f.answer_all();
  f.sent.clear();
  f.set(kAsr, "[policy]\nmode = \"observe\"\n");
  cr_assert_eq(f.sent.size(), 2, "who is in it");
  const auto mode = [&](std::size_t i, const char* name) {
    const auto told = f.told(i);
    const auto at = told.set.find(name);
    return at == told.set.end() ? std::string() : std::get<std::string>(at->second);
  };
  cr_assert_eq(mode(0, "responses.key-access.mode"), "enforce", "node 1 is in both");
  cr_assert_eq(mode(1, "policy.mode"), "observe", "node 2 in this one alone");
}

Test(node_policies, who_leaves_or_joins_is_told_when_it_is_heard) {
  Fixture f;
  f.set(kAsr, kObserve);
  f.answer_all();
  f.sent.clear();
  cr_assert(f.registry.put(asr_record(7, {1, 3})));
  for (protocol::NodeId id = 1; id <= 3; ++id) f.policies->heard(id, f.now);
  f.pump();
  cr_assert_eq(f.sent.size(), 2);
  cr_assert(f.told(0).own != f.told(1).own);
}

Test(node_policies, a_node_that_does_not_take_it_is_said_and_left_alone) {
  Fixture f;
  f.set(kAsr, kObserve);
  f.answer(0, ControlStatus::refused_by_policy);
  f.answer(1, ControlStatus::not_supported);
  cr_assert_eq(std::ranges::count(f.said, "detection-policy-refused"), 2);
  f.policies->heard(1, f.now);
  f.pump();
  cr_assert_eq(f.sent.size(), 2);
}

Test(node_policies, what_is_wrong_changes_nothing) {
  Fixture f;
  const Status wrong = f.policies->set_policy_text("domain", "\n[responses.nothing]\nmode = \"observe\"\n");
  cr_assert_eq(wrong.error().code, Errc::config_invalid);
  cr_assert(wrong.error().detail.contains("policy:2:"));
  cr_assert_eq(f.policies->set_policy_text("node:" + hex_id(1), kObserve).error().code, Errc::not_found);
  cr_assert_eq(f.policies->set_policy_text("asr:" + hex_id(8), kObserve).error().code, Errc::not_found);
  cr_assert_eq(f.policies->set_policy_text("x", kObserve).error().code, Errc::not_found);
  f.store.failing = true;
  cr_assert_not(f.policies->set_policy_text("domain", kObserve).has_value());
  f.pump();
  cr_assert(f.sent.empty());
  cr_assert_eq(f.policies->policy_facts("domain")->at("source"), "none");
}

Test(node_policies, the_nmm_s_part_is_for_each_asr) {
  Fixture f;
  policy::AdjudicationPolicy own;
  own.evictions_per_window = 1;
  f.set("domain", "[recovery]\nquorum_floor = 3\nnever_evict = [\"n1\"]\n");
  f.set(kAsr, "[recovery]\non_critical = \"rekey\"\n");
  std::vector<std::string> names;
  const auto of_asr = f.policies->recovery(own, 7, names);
  cr_assert_eq(of_asr.quorum_floor, 3);
  cr_assert_eq(of_asr.on_critical, policy::Verdict::rekey);
  cr_assert_eq(of_asr.evictions_per_window, 1, "of the configuration, where the policy says nothing");
  cr_assert_eq(names.at(0), "n1");
  cr_assert_eq(f.policies->recovery(own, 8, names).on_critical, policy::Verdict::evict);
}

Test(node_policies, windows_reach_the_nodes_with_the_time_that_is_left) {
  Fixture f;
  cr_assert(f.policies->start_maintenance(kAsr, 600, "an update").has_value());
  f.now = f.now + 100s;
  f.pump();
  cr_assert_eq(f.sent.size(), 2);
  cr_assert(f.told(0).own);
  cr_assert_eq(f.told(0).maintenance_s, 500);
  cr_assert_eq(f.told(0).why, "an update");
  f.answer_all();
  cr_assert(f.policies->in_maintenance(1, 7, f.now));
  cr_assert_not(f.policies->in_maintenance(3, 8, f.now));
  f.policies->heard(1, f.now + 10s);
  f.pump();
  cr_assert_eq(f.sent.size(), 2, "once is enough");
  f.sent.clear();
  cr_assert(f.policies->stop_maintenance(kAsr).has_value());
  f.pump();
  cr_assert_eq(f.sent.size(), 2);
  cr_assert_eq(f.told(0).maintenance_s, 0);
  cr_assert_eq(f.policies->stop_maintenance(kAsr).error().code, Errc::not_found);
  cr_assert_eq(f.policies->start_maintenance("node:" + hex_id(3), 86401, "x").error().code,
               Errc::invalid_argument);
  cr_assert(f.policies->start_maintenance("node:" + hex_id(3), 60, "x").has_value());
  cr_assert_eq(f.policies->maintenance().size(), 1);
}

Test(node_policies, a_damaged_record_is_said) {
  Fixture f;
  cr_assert(f.store.write("detection-policies", std::vector<std::uint8_t>{0x81}).has_value());
  NodePolicies again({f.store, f.registry, f.requests, [&f] { return f.now; }});
  cr_assert_eq(again.load(kBoot, f.now).error().code, Errc::state_corrupt);
}
