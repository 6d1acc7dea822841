#include "daemon/node/rules.h"

#include <criterion/criterion.h>

#include "tests/support/memory_store.h"

using namespace akm;
using namespace akm::node;
using namespace std::chrono_literals;

namespace {

struct Bench {
  test::MemoryStore store;
  Instant now{1'000'000'000};
  service::Maintenance::BootId boot{1};
  policy::NodePolicy used;
  std::optional<Instant> until;
  std::vector<std::string> events;
  std::optional<Rules> rules;

  Bench() { start(); }
  void start() {
    used = policy::default_node_policy();
    until.reset();
    rules.emplace(Rules::Parts{
        .store = &store,
        .boot = boot,
        .own = policy::default_node_policy(),
        .file = {},
        .now = [this] { return now; },
        .use = [this](const policy::NodePolicy& policy) { used = policy; },
        .maintain = [this](std::optional<Instant> end) { until = end; },
        .say = [this](const EventRecord& event, std::string_view) { events.push_back(event.name); }});
    rules->start();
  }
  [[nodiscard]] policy::Mode mode() const { return used.of(policy::DetectionClass::key_access).mode; }
};

protocol::DetectionPolicy observing() {
  protocol::DetectionPolicy out;
  out.own = false;
  out.set = {{"policy.mode", std::string("observe")}};
  return out;
}

}  // namespace

Test(rules, the_nmm_s_policy_holds_also_after_a_restart) {
  Bench bench;
  cr_assert_eq(bench.rules->policy_facts("")->at("source"), "default");
  cr_assert(bench.rules->take(observing().encode()).has_value());
  cr_assert_eq(bench.mode(), policy::Mode::observe);
  cr_assert_eq(bench.rules->policy_facts("")->at("source"), "nmm");
  cr_assert_eq(bench.rules->policy_facts("")->at("digest").size(), 64);
  bench.start();
  cr_assert_eq(bench.mode(), policy::Mode::observe);
  cr_assert(bench.rules->take(protocol::DetectionPolicy{}.encode()).has_value());
  cr_assert_eq(bench.mode(), policy::Mode::enforce, "its own again");
  bench.start();
  cr_assert_eq(bench.rules->policy_facts("")->at("source"), "default");
}

Test(rules, what_is_wrong_changes_nothing) {
  Bench bench;
  cr_assert(bench.rules->take(observing().encode()).has_value());
  auto wrong = observing();
  wrong.set = {{"responses.forged-frames.on_observe", std::vector<std::string>{"rekey"}}};
  cr_assert_eq(bench.rules->take(wrong.encode()).error().code, Errc::refused_by_policy);
  wrong.set = {{"nothing", true}};
  cr_assert_eq(bench.rules->take(wrong.encode()).error().code, Errc::refused_by_policy);
  cr_assert_eq(bench.rules->take({}).error().code, Errc::malformed);
  cr_assert_eq(bench.mode(), policy::Mode::observe);
}

Test(rules, what_cannot_be_stored_does_not_hold) {
  Bench bench;
  bench.store.fail_writes = true;
  cr_assert_not(bench.rules->take(observing().encode()).has_value());
  cr_assert_eq(bench.mode(), policy::Mode::enforce);
}

Test(rules, a_window_is_opened_and_ends) {
  Bench bench;
  cr_assert(bench.rules->start_maintenance("", 600, "an update").has_value());
  cr_assert_eq(bench.until->ns, (bench.now + 600s).ns);
  cr_assert_eq(bench.rules->maintenance().at(0).why, "an update");
  bench.now = bench.now + 60s;
  bench.start();
  cr_assert(bench.until.has_value(), "after a restart of the daemon");
  bench.now = *bench.rules->next_deadline();
  bench.rules->deadline_reached();
  cr_assert_not(bench.until.has_value());
  cr_assert_eq(bench.events.back(), "maintenance-ended");
  cr_assert_not(bench.rules->next_deadline().has_value());
}

Test(rules, a_window_is_bounded_and_has_a_reason) {
  Bench bench;
  cr_assert_eq(bench.rules->start_maintenance("", 8 * 3600 + 1, "why").error().code, Errc::invalid_argument);
  cr_assert_eq(bench.rules->start_maintenance("", 60, "").error().code, Errc::invalid_argument);
  cr_assert_eq(bench.rules->start_maintenance("domain", 60, "why").error().code, Errc::not_found);
  cr_assert_eq(bench.rules->stop_maintenance("").error().code, Errc::not_found);
  cr_assert_eq(bench.rules->set_policy_text("", "").error().code, Errc::not_supported);
}

Test(rules, the_nmm_opens_and_closes_one_of_its_own) {
  Bench bench;
  auto policy = observing();
  policy.maintenance_s = 300;
  policy.why = "field service";
  cr_assert(bench.rules->take(policy.encode()).has_value());
  cr_assert_eq(bench.rules->maintenance().at(0).scope, "nmm");
  cr_assert(bench.rules->start_maintenance("", 60, "mine").has_value());
  cr_assert_eq(bench.until->ns, (bench.now + 300s).ns, "the longer one");
  policy.maintenance_s = 0;
  cr_assert(bench.rules->take(policy.encode()).has_value());
  cr_assert_eq(bench.until->ns, (bench.now + 60s).ns);
  cr_assert(bench.rules->stop_maintenance("").has_value());
  cr_assert_not(bench.until.has_value());
}

Test(rules, the_nmm_may_refuse_windows_of_the_node_s_own) {
  Bench bench;
  cr_assert(bench.rules->start_maintenance("", 600, "mine").has_value());
  cr_assert_eq(bench.rules->own_window()->why, "mine");
  auto policy = observing();
  policy.set["maintenance.at_node"] = false;
  policy.maintenance_s = 300;
  policy.why = "field service";
  cr_assert(bench.rules->take(policy.encode()).has_value());
  cr_assert_null(bench.rules->own_window(), "it is closed");
  cr_assert_eq(bench.rules->maintenance().size(), 1, "the NMM's own is open");
  cr_assert(std::ranges::find(bench.events, "maintenance-refused") != bench.events.end());
  cr_assert_eq(bench.rules->start_maintenance("", 600, "mine").error().code, Errc::refused_by_policy);
  bench.start();
  cr_assert_eq(bench.rules->start_maintenance("", 600, "mine").error().code, Errc::refused_by_policy);
}

Test(rules, who_belongs_to_nobody_has_no_policy_of_an_nmm) {
  Bench bench;
  auto policy = observing();
  policy.maintenance_s = 300;
  policy.why = "field service";
  cr_assert(bench.rules->take(policy.encode()).has_value());
  cr_assert(bench.rules->forget().has_value());
  cr_assert_eq(bench.mode(), policy::Mode::enforce);
  cr_assert_not(bench.until.has_value());
  bench.start();
  cr_assert_eq(bench.rules->policy_facts("")->at("source"), "default");
  cr_assert(bench.rules->maintenance().empty());
}

Test(rules, a_damaged_record_leaves_the_node_its_own) {
  Bench bench;
  cr_assert(bench.store.write("detection-policy", std::vector<std::uint8_t>{1}).has_value());
  bench.start();
  cr_assert_eq(bench.mode(), policy::Mode::enforce);
  cr_assert_eq(bench.events.back(), "policy-lost");
}
