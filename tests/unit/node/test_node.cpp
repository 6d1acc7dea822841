#include "daemon/node/node.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <set>

#include "tests/support/node_bench.h"

using namespace akm;
using namespace akm::test;
using node::NodeState;

namespace {

Status call(const std::function<void(Done)>& method) {
  Status out = fail(Errc::internal, "no answer");
  method([&out](const Status& status) { out = status; });
  return out;
}

Result<std::string> zeroize(node::Node& node) {
  std::optional<Result<std::string>> outcome;
  node.zeroize([&outcome](Result<std::string> receipt) { outcome = std::move(receipt); });
  return *outcome;
}

}  // namespace

Test(node, a_new_node_is_unprovisioned_and_refuses_what_needs_credentials) {
  NodeBench bench;
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
  cr_assert(bench.node->asrs().empty());
  cr_assert_eq(call([&](Done done) { bench.node->activate(std::move(done)); }).error().code,
               Errc::not_provisioned);
  cr_assert_eq(call([&](Done done) { bench.node->rekey(1, std::move(done)); }).error().code, Errc::not_found);
  cr_assert_eq(bench.node->hardware_identity()->value.size(), 32);
}

Test(node, status_tells_everything_but_secrets) {
  NodeBench bench;
  bench.make_member();
  const auto status = bench.node->status();
  cr_assert_eq(status.state, NodeState::active);
  cr_assert_eq(status.node_id, kNodeId);
  cr_assert_eq(status.nmm_name, "nmm-1", "as the NMM said at activation");
  cr_assert_eq(status.keyring, bench.keys.keyring_serial());
  cr_assert_eq(status.counters.at("refused_not_authentic"), 0);
  cr_assert_gt(status.counters.at("frames_accepted"), 0);
  cr_assert(status.findings.empty(), "%s", status.findings.empty() ? "" : status.findings[0].c_str());
  const auto asrs = bench.node->asrs();
  cr_assert_eq(asrs.size(), 2);
  for (const AsrSnapshot& asr : asrs) cr_assert_eq(asr.key_check.size(), 8, "read back from the key store");
}

Test(node, a_restart_goes_on_where_it_was) {
  NodeBench bench;
  bench.make_member();
  const auto before = bench.node->asrs();
  bench.start();
  cr_assert_eq(bench.state(), NodeState::active);
  const auto after = bench.node->asrs();
  cr_assert_eq(after.size(), before.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    cr_assert_eq(after[i].epoch, before[i].epoch);
    cr_assert_eq(after[i].key_check, before[i].key_check);
  }
  cr_assert_not(bench.probes.guarded.empty(), "restored keys are guarded");
}

Test(node, without_state_it_stays_up_and_says_why) {
  NodeBench bench;
  SystemRandom random;
  node::Node blind(bench.settings, {.store = nullptr,
                                    .failure = Error{Errc::tpm_failed, "lockout"},
                                    .engine = {},
                                    .keys = nullptr,
                                    .random = random,
                                    .send = {},
                                    .join_group = {},
                                    .events = bench.events,
                                    .hardware = bench.hardware,
                                    .probes = nullptr,
                                    .run_aside = {},
                                    .facts = {.findings = {"lockout"}}});
  blind.start();
  cr_assert_eq(blind.status().state, NodeState::sealed_unavailable);
  cr_assert_eq(blind.status().findings.size(), 1);
  cr_assert(blind.shell() == nullptr);
  cr_assert_not(blind.next_deadline().has_value());
  cr_assert_eq(call([&](Done done) { blind.activate(std::move(done)); }).error().code,
               Errc::sealed_unavailable);
  cr_assert_eq(zeroize(blind).error().code, Errc::sealed_unavailable);
  cr_assert_eq(call([&](Done done) { blind.rekey(1, std::move(done)); }).error().code,
               Errc::sealed_unavailable);
  cr_assert_eq(call([&](Done done) { blind.provision_from_memfd({}, std::move(done)); }).error().code,
               Errc::sealed_unavailable);
}

Test(node, a_damaged_record_of_its_own_is_kept_and_the_groups_go_on) {
  NodeBench bench;
  bench.make_member();
  bench.store.corrupt["node"] = true;
  const auto asrs = bench.node->asrs().size();
  const auto record = bench.store.records.at("node");
  for (int starts = 0; starts < 2; ++starts) {
    bench.start();
    cr_assert_eq(bench.state(), NodeState::unprovisioned);
    cr_assert(bench.store.records.at("node") == record, "it was deleted");
    cr_assert_eq(bench.node->asrs().size(), asrs);
  }
  cr_assert_not(bench.node->status().findings.empty());
}

Test(node, relationships_without_an_owner_are_erased_at_start) {
  NodeBench bench;
  bench.make_member();
  bench.store.records.erase("node");
  bench.start();
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
  cr_assert(bench.node->asrs().empty());
  cr_assert(bench.keys.keys.empty());
  cr_assert_eq(bench.store.records.count("asr-0000000000005001"), 0);
}

Test(node, damaged_credentials_do_not_cost_the_relationships) {
  NodeBench bench;
  bench.make_member();
  const auto asrs = bench.node->asrs().size();
  bench.store.corrupt["asr-0000000000005001"] = true;
  const auto damaged = bench.store.records.at("asr-0000000000005001");
  bench.start();
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
  cr_assert(bench.store.records.at("damaged-1-asr-0000000000005001") == damaged, "something was deleted");
  cr_assert_eq(bench.node->asrs().size(), asrs - 1);
  cr_assert_not(bench.node->status().findings.empty());
}

Test(node, zeroize_leaves_nothing_but_the_list_of_used_bundles) {
  NodeBench bench;
  bench.make_member();
  cr_assert(zeroize(*bench.node).has_value());
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
  cr_assert(bench.keys.keys.empty());
  cr_assert_eq(bench.store.records.size(), 1);
  cr_assert(bench.store.records.contains("used-bundles"));
  cr_assert_eq(bench.node->status().node_id, 0);
  cr_assert_eq(bench.provision().error().code, Errc::already_consumed);
  bench.use_id = 2;
  ++bench.identity.serial;  // as the NMM does for each bundle
  cr_assert(bench.provision().has_value());
}

Test(node, zeroize_that_cannot_reach_the_disk_says_so) {
  NodeBench bench;
  bench.make_member();
  bench.store.fail_removes = true;
  const auto receipt = zeroize(*bench.node);
  cr_assert(receipt.has_value(), "the receipt names what failed");
  const auto& findings = bench.node->status().findings;
  cr_assert(std::ranges::any_of(
      findings, [](const std::string& one) { return one.starts_with("Not everything could be erased"); }));
  cr_assert(bench.keys.keys.empty(), "the keys are gone all the same");
}

Test(node, rekey_replaces_the_key_of_a_relationship) {
  NodeBench bench;
  bench.make_active();
  const std::uint32_t epoch = bench.node->asrs().at(0).epoch;
  std::optional<Status> outcome;
  bench.node->rekey(kProvisioningAsr, [&outcome](const Status& status) { outcome = status; });
  cr_assert_not(outcome.has_value(), "answered before the members have agreed");
  bench.pass(std::chrono::seconds(5));
  cr_assert(outcome.has_value() && outcome->has_value());
  cr_assert_eq(bench.node->asrs().at(0).epoch, epoch + 1);
  cr_assert(bench.event("session-committed") != nullptr);
}

Test(node, a_moved_disk_is_said) {
  NodeBench bench;
  bench.make_active();
  bench.hardware = node::Hardware([] { return keyring::HardwareSources{{"dmi-product-uuid", "another"}}; });
  bench.start();
  cr_assert(bench.event("hardware-changed") != nullptr);
  cr_assert(bench.node->status().state == NodeState::provisioned, "the NMM has to activate this machine");
  cr_assert_eq(bench.node->status().findings.size(), 2,
               "that it moved, and what became of its relationships");
}

Test(node, its_gate_knows_each_relationship_and_who_has_authenticated) {
  NodeBench bench;
  bench.with_gate = true;
  bench.start();
  cr_assert(bench.gate.ids.empty());
  bench.make_member();
  cr_assert(bench.gate.ids == std::set<std::uint64_t>({kProvisioningAsr, kOperationalAsr}));
  cr_assert(std::ranges::count(bench.gate.vouched, *parse_endpoint("10.0.0.3:7400")) > 0, "the roster");
  cr_assert(std::ranges::count(bench.gate.vouched, *parse_endpoint("10.0.0.1:7401")) > 0,
            "the NMM was heard");
  const auto status = bench.node->status();
  cr_assert_eq(status.probes.back().first, "D26, D27");
  cr_assert_eq(status.probes.back().second, "gate: eth0: XDP");
  cr_assert_eq(status.counters.at("frames_forged"), 0);
  bench.gate.ids.clear();
  bench.start();
  cr_assert(bench.gate.ids == std::set<std::uint64_t>({kProvisioningAsr, kOperationalAsr}), "restored");
  (void)zeroize(*bench.node);
  cr_assert(bench.gate.ids.empty());
}

Test(node, a_flood_and_a_scan_are_observed_and_cost_nobody_anything) {
  NodeBench bench;
  bench.with_gate = true;
  bench.start();
  bench.make_member();
  bench.asked.clear();
  bench.gate.counters["gate_dropped_form"] = 100000;
  bench.gate.scans = {{*parse_endpoint("192.0.2.7:0"), 30, 0, 30}};
  bench.pass(service::FrameWatch::kWindow);
  cr_assert_eq(bench.node->status().counters.at("detections_observe"), 2);
  cr_assert_eq(bench.count(protocol::Method::breach_report), 0);
  cr_assert_eq(bench.state(), NodeState::active);
  cr_assert_eq(bench.node->asrs().size(), 2);
}

Test(node, a_gate_that_hangs_nowhere_is_a_finding) {
  NodeBench bench;
  bench.with_gate = true;
  bench.gate.health = {"none", false, "eth0 (tcx: Operation not permitted)"};
  bench.start();
  cr_assert_eq(bench.gate.checks, 1u);
  cr_assert_eq(bench.node->status().findings.size(), 1u);
}
