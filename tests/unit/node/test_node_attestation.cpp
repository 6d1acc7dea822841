#include <criterion/criterion.h>

#include "daemon/protocol/attestation.h"
#include "tests/support/node_bench.h"
#include "tests/support/swtpm_fixture.h"

using namespace akm;
using namespace akm::test;
using node::NodeState;
using protocol::ControlStatus;
using protocol::Method;

namespace {

/// The thread aside.
void run_aside(NodeBench& bench) {
  for (auto& job : std::exchange(bench.aside, {})) job()();
  bench.settle();
}

void give_tpm(NodeBench& bench, keyring::Quoter quoter) {
  bench.hardware = node::Hardware([&bench] { return bench.sources; }, {.quoter = std::move(quoter)});
}

std::unique_ptr<SwTpm> software_tpm() {
  if (!have_swtpm()) cr_skip("%s", kNoSwtpm);
  return std::make_unique<SwTpm>();
}

keyring::Quoter quoter_that(const bool& works) {
  return [&works](auto, std::uint32_t) -> Result<keyring::TpmQuote> {
    if (!works) return fail(Errc::tpm_failed, "in the test");
    return keyring::TpmQuote{{1}, {2}, {3}, {}};
  };
}

protocol::AttestRequest request_of(std::uint8_t nonce) {
  protocol::AttestRequest out;
  out.nonce.assign(32, nonce);
  out.pcrs.assign(protocol::kAttestedPcrs.begin(), protocol::kAttestedPcrs.end());
  return out;
}

}  // namespace

Test(node_attestation, without_a_tpm_it_is_not_supported) {
  NodeBench bench;
  bench.make_active();
  bench.ask(Method::attest, request_of(1).encode());
  cr_assert_eq(*bench.last_answer(), ControlStatus::not_supported);
  cr_assert(bench.aside.empty());
}

Test(node_attestation, a_real_quote_answers_the_nonce) {
  const auto tpm = software_tpm();
  NodeBench bench;
  give_tpm(bench, keyring::tpm_quoter(tpm->tcti()));
  bench.make_active();
  const auto request = request_of(1);
  bench.ask(Method::attest, request.encode());
  cr_assert_eq(bench.aside.size(), 1U, "not on the loop thread");
  cr_assert(bench.answers.empty());
  run_aside(bench);
  cr_assert_eq(*bench.last_answer(), ControlStatus::ok);
  const auto response = protocol::AttestResponse::decode(bench.answers.back().body);
  cr_assert(response.has_value());
  cr_assert(response->key.has_value());
  const auto state = protocol::verify_quote(*response->key, response->quote, response->signature,
                                            request.nonce, protocol::kAttestedPcrs);
  cr_assert(state.has_value(), "%s", state.has_value() ? "" : state.error().message().c_str());
  const auto other = protocol::verify_quote(*response->key, response->quote, response->signature,
                                            request_of(2).nonce, protocol::kAttestedPcrs);
  cr_assert_eq(other.error().code, Errc::not_authentic);
}

Test(node_attestation, activation_carries_a_quote_where_the_policy_wants_one) {
  const auto tpm = software_tpm();
  NodeBench bench;
  give_tpm(bench, keyring::tpm_quoter(tpm->tcti()));
  bench.identity.policy.attestation = protocol::Attestation::required;
  cr_assert(bench.provision().has_value());
  bench.pass(std::chrono::seconds(1));
  cr_assert_eq(bench.count(Method::activate), 0);
  cr_assert_eq(bench.aside.size(), 1U);
  run_aside(bench);
  bench.pass(std::chrono::seconds(1));
  cr_assert_eq(bench.count(Method::activate), 1);
  cr_assert_eq(bench.state(), NodeState::active);
  const auto sent = protocol::ActivateRequest::decode(bench.asked_bodies.at(0));
  cr_assert(sent && sent->quote && sent->signature && sent->attestation_key);
  const auto nonce =
      protocol::activation_nonce(kProvisioningAsr, bench.identity.serial, sent->hardware_value);
  cr_assert(protocol::verify_quote(*sent->attestation_key, *sent->quote, *sent->signature, nonce,
                                   protocol::kAttestedPcrs));
}

Test(node_attestation, a_node_without_a_tpm_leaves_the_decision_to_the_nmm) {
  NodeBench bench;
  bench.identity.policy.attestation = protocol::Attestation::required;
  bench.make_active();
  const auto sent = protocol::ActivateRequest::decode(bench.asked_bodies.at(0));
  cr_assert(sent && !sent->quote && !sent->attestation_key);
}

Test(node_attestation, a_tpm_that_fails_is_told_and_may_be_asked_again) {
  NodeBench bench;
  bool works = false;
  give_tpm(bench, quoter_that(works));
  bench.make_active();
  bench.ask(Method::attest, request_of(1).encode());
  run_aside(bench);
  cr_assert_eq(*bench.last_answer(), ControlStatus::busy);
  cr_assert(bench.event("attestation-failed") != nullptr);
  works = true;
  bench.ask(Method::attest, request_of(1).encode());
  run_aside(bench);
  cr_assert_eq(*bench.last_answer(), ControlStatus::ok);
  bench.fail_aside = true;
  bench.ask(Method::attest, request_of(1).encode());
  cr_assert_eq(*bench.last_answer(), ControlStatus::busy);
}

Test(node_attestation, a_failing_tpm_delays_an_activation_that_needs_it) {
  NodeBench bench;
  bool works = false;
  give_tpm(bench, quoter_that(works));
  bench.identity.policy.attestation = protocol::Attestation::required;
  cr_assert(bench.provision().has_value());
  bench.pass(std::chrono::milliseconds(100));
  run_aside(bench);
  cr_assert_eq(bench.state(), NodeState::provisioned);
  works = true;
  bench.pass(std::chrono::seconds(3));
  run_aside(bench);
  bench.pass(std::chrono::seconds(1));
  cr_assert_eq(bench.state(), NodeState::active);
}

Test(node_attestation, a_request_out_of_bounds_is_malformed) {
  NodeBench bench;
  give_tpm(bench, [](auto, std::uint32_t) -> Result<keyring::TpmQuote> { return fail(Errc::internal); });
  bench.make_active();
  auto high = request_of(1);
  high.pcrs = {24};
  auto brief = request_of(1);
  brief.nonce.resize(15);
  for (const auto& body : {high.encode(), brief.encode(), protocol::empty_body()}) {
    bench.ask(Method::attest, body);
    cr_assert_eq(*bench.last_answer(), ControlStatus::malformed);
  }
  cr_assert(bench.aside.empty());
}
