#include "daemon/nmm/attestations.h"

#include <criterion/criterion.h>

#include "tests/unit/nmm/nmm_net.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using protocol::ControlStatus;
using std::chrono::seconds;

TestSuite(attestations, .init = quiet);

namespace {

struct Net : NmmNet {
  explicit Net(protocol::Attestation attestation = protocol::Attestation::none, bool tpm = true)
      : NmmNet(3, settings_with(attestation)) {
    for (auto& node : nodes) node->attests = tpm;
    activate_all();
  }
  static NmmSettings settings_with(protocol::Attestation attestation) {
    NmmSettings out;
    out.policy.attestation = attestation;
    return out;
  }
  Result<ControlPort::Attested> attest(bool accept = false) {
    std::optional<Result<ControlPort::Attested>> out;
    nmm->attest(nodes[0]->node_id, accept, [&out](auto result) { out = std::move(result); });
    run(seconds(60));
    cr_assert(out.has_value());
    return *out;
  }
  [[nodiscard]] std::string field(std::string_view name, const std::string& key) const {
    const EventRecord* found = event(name);
    return found == nullptr ? "" : found->fields.at(key);
  }
};

}  // namespace

Test(attestations, the_first_quote_is_pinned_and_others_are_compared_with_it) {
  Net net;
  const auto first = net.attest();
  cr_assert(first.has_value(), "%s", first.has_value() ? "" : first.error().message().c_str());
  cr_assert_eq(first->outcome, "first");
  cr_assert(first->pcr_digest == net.nodes[0]->tpm.pcr_digest);
  net.restart_nmm();
  cr_assert_eq(net.attest()->outcome, "same");
  cr_assert_null(net.event("attestation-failed"));
}

Test(attestations, other_pcrs_are_evidence_until_an_operator_accepts_them) {
  Net net;
  (void)net.attest();
  net.nodes[0]->tpm.pcr_digest[0] ^= 1;
  cr_assert_eq(net.attest()->outcome, "changed");
  cr_assert_eq(net.field("breach-reported", "class"), "attestation-failed");
  cr_assert_eq(net.field("breach-reported", "grade"), "evidence");
  cr_assert_eq(net.field("breach-reported", "reported_by"), "nmm");
  cr_assert_eq(net.state_of("n0"), "active");
  cr_assert_eq(net.attest()->outcome, "changed", "it is not pinned by itself");
  cr_assert_eq(net.attest(true)->outcome, "accepted");
  cr_assert_eq(net.attest()->outcome, "same");
}

Test(attestations, another_tpm_is_critical_and_evicts) {
  Net net;
  const protocol::AsrId asr_id = net.create(3);
  (void)net.attest();
  net.nodes[0]->tpm.replace();
  cr_assert_eq(net.attest(true).error().code, Errc::not_authentic, "accepting PCRs accepts no other TPM");
  cr_assert_eq(net.field("breach-reported", "grade"), "critical");
  cr_assert_eq(net.state_of("n0"), "quarantined");
  cr_assert_eq(net.nodes[0]->generation(asr_id), 0U);
  cr_assert(net.agreed(asr_id, 2, {1, 2}));
}

Test(attestations, a_quote_of_something_else_is_critical) {
  Net net;
  net.nodes[0]->tpm.type = 0x8017;
  cr_assert_eq(net.attest().error().code, Errc::malformed);
  cr_assert_eq(net.field("breach-reported", "grade"), "critical");
}

Test(attestations, a_node_without_tpm_or_without_answer_is_named_so) {
  Net net(protocol::Attestation::none, false);
  cr_assert_eq(net.attest().error().code, Errc::not_supported);
  net.nodes[0]->down = true;
  cr_assert_eq(net.attest().error().code, Errc::timed_out);
  cr_assert_null(net.event("breach-reported"), "neither accuses anybody");
  std::optional<Errc> unknown;
  net.nmm->attest(4711, false, [&unknown](const auto& result) { unknown = result.error().code; });
  cr_assert(unknown == Errc::not_found);
}

Test(attestations, where_the_policy_wants_it_nobody_activates_without_a_quote) {
  Net without(protocol::Attestation::required, false);
  cr_assert_eq(without.state_of("n0"), "prepared");
  cr_assert(without.nodes[0]->last_response->status == ControlStatus::refused_by_policy);
  Net with(protocol::Attestation::required);
  cr_assert_eq(with.state_of("n0"), "active");
  cr_assert_eq(with.attest()->outcome, "same", "that of the activation is the first one");
}

Test(attestations, an_activation_with_another_tpm_is_refused_until_the_node_is_prepared_anew) {
  Net net(protocol::Attestation::required);
  net.nodes[0]->tpm.replace();
  net.nodes[0]->activate();
  net.run(seconds(1));
  cr_assert(net.nodes[0]->last_response->status == ControlStatus::hardware_mismatch);
  cr_assert_eq(net.field("activation-refused", "reason"), "the attestation key of another TPM");
  net.nodes[1]->tpm.replace();
  net.nodes[1]->provision(*net.prepare(*net.nodes[1], true));
  net.nodes[1]->activate();
  net.run(seconds(1));
  cr_assert(net.nodes[1]->last_response->status == ControlStatus::ok);
}

Test(attestations, a_disk_that_refuses_is_no_refusal_of_the_node) {
  Net net(protocol::Attestation::required);
  net.nodes[0]->provision(*net.prepare(*net.nodes[0], true));
  net.store.failing_names = "nmm-node-";
  net.nodes[0]->activate();
  net.run(seconds(1));
  cr_assert(net.nodes[0]->last_response->status == ControlStatus::storage_failed);
  net.store.failing_names.reset();
  net.nodes[0]->activate();
  net.run(seconds(1));
  cr_assert(net.nodes[0]->last_response->status == ControlStatus::ok);
}

Test(attestations, with_golden_pcrs_no_first_quote_is_trusted) {
  Net net;
  auto golden = net.nodes[0]->tpm.pcr_digest;
  const auto set = [&net](const auto& digest) {
    std::optional<Status> out;
    net.nmm->set_golden_pcrs(net.nodes[0]->node_id, digest, into(out));
    return *out;
  };
  golden[0] ^= 1;
  cr_assert(set(golden));
  cr_assert_eq(net.attest()->outcome, "changed");
  cr_assert_eq(net.field("attestation-failed", "reason"), "other PCRs than the golden ones");
  golden[0] ^= 1;
  cr_assert(set(golden));
  net.restart_nmm();
  cr_assert_eq(net.attest()->outcome, "same");
  std::optional<Status> unknown;
  net.nmm->set_golden_pcrs(4711, golden, into(unknown));
  cr_assert_eq(unknown->error().code, Errc::not_found);
}

Test(attestations, a_node_with_other_pcrs_than_the_golden_ones_does_not_activate) {
  Net net(protocol::Attestation::required);
  FakeNode& node = *net.nodes[0];
  node.provision(*net.prepare(node, true));
  auto golden = node.tpm.pcr_digest;
  golden[31] ^= 1;
  std::optional<Status> set;
  net.nmm->set_golden_pcrs(node.node_id, golden, into(set));
  cr_assert(set->has_value());
  node.activate();
  net.run(seconds(1));
  cr_assert(node.last_response->status == ControlStatus::refused_by_policy);
  cr_assert_eq(net.field("activation-refused", "reason"), "its PCRs are not the golden ones");
  node.tpm.pcr_digest = golden;
  node.activate();
  net.run(seconds(1));
  cr_assert(node.last_response->status == ControlStatus::ok);
}

Test(attestations, a_passed_one_takes_a_node_back_where_the_policy_says_so) {
  Net net;
  const protocol::AsrId asr_id = net.create(3);
  (void)net.attest();
  net.nodes[0]->report_breach("key-access", 2);
  net.run(seconds(1));
  cr_assert_eq(net.state_of("n0"), "quarantined");
  cr_assert_eq(net.attest()->outcome, "same");
  cr_assert_eq(net.state_of("n0"), "quarantined", "by default an operator does");
  cr_assert(
      net.nmm->policy_port().set_policy_text("domain", "[recovery]\nundo = \"attestation\"\n").has_value());
  cr_assert_eq(net.attest()->outcome, "same");
  net.run(seconds(1));
  cr_assert_eq(net.state_of("n0"), "active");
  cr_assert(net.nodes[0]->view(asr_id).has_value());
}

/// One list for a fleet: what a node shows first is not trusted, and what is on the list may come and go.
Test(attestations, golden_pcrs_of_the_fleet_stand_before_a_first_quote) {
  NmmSettings settings = Net::settings_with(protocol::Attestation::required);
  settings.golden_pcrs = {protocol::Digest32{1}, protocol::Digest32{2}};
  NmmNet net(3, settings);
  for (auto& node : net.nodes) node->attests = true;
  net.nodes[0]->tpm.pcr_digest = {1};
  net.nodes[1]->tpm.pcr_digest = {3};
  net.activate_all();
  cr_assert_eq(net.state_of("n0"), "active");
  cr_assert_eq(net.state_of("n1"), "prepared");
  cr_assert(net.nodes[1]->last_response->status == ControlStatus::refused_by_policy);
  const auto attest = [&net] {
    std::optional<std::string> out;
    net.nmm->attest(net.nodes[0]->node_id, false, [&out](const auto& result) { out = result->outcome; });
    net.run(seconds(60));
    return out.value_or("");
  };
  cr_assert_eq(attest(), "same");
  net.nodes[0]->tpm.pcr_digest = {2};
  cr_assert_eq(attest(), "golden", "an update that the list knows");
  net.nodes[0]->tpm.pcr_digest = {3};
  cr_assert_eq(attest(), "changed");
  cr_assert_eq(net.event("attestation-failed")->fields.at("reason"),
               "PCRs that are not among the golden ones of nmm.golden_pcrs");
  // What an operator accepts is this node's from now on, beside the list.
  std::optional<std::string> accepted;
  net.nmm->attest(net.nodes[0]->node_id, true, [&](const auto& result) { accepted = result->outcome; });
  net.run(seconds(60));
  cr_assert_eq(accepted.value_or(""), "accepted");
  cr_assert_eq(attest(), "same");
}

/// The quote of an activation has a nonce that is the same for a whole serial.
Test(attestations, after_an_activation_the_nmm_asks_with_a_nonce_of_its_own) {
  Net net(protocol::Attestation::required);
  net.nodes[0]->replays = true;
  net.nodes[0]->activate();
  net.run(seconds(60));
  cr_assert_not_null(net.event("attestation-failed"));
  cr_assert_eq(net.field("breach-reported", "grade"), "critical");
}
