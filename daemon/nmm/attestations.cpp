#include "daemon/nmm/attestations.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "daemon/base/hex.h"
#include "daemon/base/message_ids.h"

namespace akm::nmm {
namespace {

using protocol::ControlStatus;

Error refused(const Outcome& outcome) {
  if (!outcome.status) return {Errc::timed_out, "the node does not answer"};
  if (outcome.status == ControlStatus::not_supported) return {Errc::not_supported, "the node has no TPM"};
  if (outcome.status == ControlStatus::not_activated) return {Errc::not_activated, "the node"};
  return {Errc::tpm_failed, "the node answers " + outcome.why()};
}

}  // namespace

/// A quote that does not check out is no accident of the network: it came under the node's provisioning ASR.
void Attestations::raise(protocol::NodeId node_id, policy::Grade grade, const std::string& what) {
  core_.announce("attestation-failed", policy::severity_of_grade(grade), message_id::kBreachReported,
                 "A node's TPM does not attest what it did.", 0,
                 {{"node", core_.name_of(node_id)}, {"node_id", hex_id(node_id)}, {"reason", what}});
  Breach breach;
  breach.node_id = node_id;
  breach.detection = policy::DetectionClass::attestation_failed;
  breach.grade = grade;
  breach.reported_by = "nmm";
  (void)recovery_.breach(breach);
}

/// The key of the first quote, and its PCRs unless an operator has accepted others.
Result<std::string> Attestations::compare(const NodeRecord& node, const protocol::Body& key,
                                          const protocol::QuotedState& state, bool accept) {
  const bool first = !node.pcr_digest;
  const bool same = node.pcr_digest == state.pcr_digest;
  const protocol::NodeId node_id = node.node_id;
  const auto& fleet = core_.settings.golden_pcrs;
  const bool by_list = !fleet.empty() && !node.golden_pcrs;
  const bool listed = by_list && std::ranges::find(fleet, state.pcr_digest) != fleet.end();
  if (by_list && !listed && !accept) {
    raise(node_id, policy::Grade::evidence, "PCRs that are not among the golden ones of nmm.golden_pcrs");
    return "changed";
  }
  if (!by_list && !first && !same && !accept) {
    raise(node_id, policy::Grade::evidence,
          node.golden_pcrs ? "other PCRs than the golden ones" : "other PCRs than at its first attestation");
    return "changed";
  }
  if (first || !same || node.attestation_key.empty()) {
    NodeRecord next = node;
    next.attestation_key = key;
    next.pcr_digest = state.pcr_digest;
    // Of this node from now on: what an operator accepts stands beside the fleet's list.
    if (by_list && !listed && accept) next.golden_pcrs = true;
    AKM_TRY(core_.put(std::move(next)));
  }
  if (same) return "same";
  std::string outcome = listed ? "golden" : first ? "first" : "accepted";
  core_.announce("attestation-pinned", 5, message_id::kStateChanged, "The state of a node's TPM was noted.",
                 0,
                 {{"node", core_.name_of(node_id)},
                  {"node_id", hex_id(node_id)},
                  {"pcr_digest", hex(state.pcr_digest)},
                  {"reason", outcome}});
  return outcome;
}

Status Attestations::activation(const NodeRecord& node, const protocol::ActivateRequest& request,
                                std::uint32_t serial) {
  if (core_.settings.policy.attestation == protocol::Attestation::none) return {};
  if (!request.quote || !request.signature || !request.attestation_key)
    return fail(Errc::refused_by_policy, "without a quote of its TPM");
  if (!node.attestation_key.empty() && node.attestation_key != *request.attestation_key) {
    raise(node.node_id, policy::Grade::critical, "the attestation key of another TPM");
    return fail(Errc::hardware_mismatch, "the attestation key of another TPM");
  }
  const auto nonce = protocol::activation_nonce(node.provisioning_asr, serial, request.hardware_value);
  const auto state = protocol::verify_quote(*request.attestation_key, *request.quote, *request.signature,
                                            nonce, protocol::kAttestedPcrs);
  if (!state) return fail(Errc::refused_by_policy, "its quote: " + state.error().detail);
  const bool golden = node.golden_pcrs || !core_.settings.golden_pcrs.empty();
  AKM_ASSIGN(const std::string outcome, compare(node, *request.attestation_key, *state, false));
  if (golden && outcome == "changed")
    return fail(Errc::refused_by_policy, "its PCRs are not the golden ones");
  return {};
}

void Attestations::after_activation(protocol::NodeId node_id) {
  attest(node_id, false, [this, node_id](const Result<ControlPort::Attested>& attested) {
    // What a quote says wrongly has been raised already.
    if (attested || attested.error().code == Errc::not_authentic) return;
    core_.announce("attestation-unanswered", 4, message_id::kStateChanged,
                   "A node has activated with a quote, and does not attest again.", 0,
                   {{"node", core_.name_of(node_id)},
                    {"node_id", hex_id(node_id)},
                    {"reason", attested.error().message()}});
  });
}

Status Attestations::set_golden(protocol::NodeId node_id, const protocol::Digest32& pcr_digest) {
  const NodeRecord* node = core_.registry.node(node_id);
  if (node == nullptr) return fail(Errc::not_found, "node " + hex_id(node_id));
  NodeRecord next = *node;
  next.pcr_digest = pcr_digest;
  next.golden_pcrs = true;
  AKM_TRY(core_.put(std::move(next)));
  core_.announce("attestation-pinned", 5, message_id::kStateChanged, "The state of a node's TPM was noted.",
                 0,
                 {{"node", core_.name_of(node_id)},
                  {"node_id", hex_id(node_id)},
                  {"pcr_digest", hex(pcr_digest)},
                  {"reason", "golden"}});
  return {};
}

Result<ControlPort::Attested> Attestations::answered(protocol::NodeId node_id, bool accept,
                                                     const protocol::Body& nonce, const Outcome& outcome) {
  const NodeRecord* node = core_.registry.node(node_id);
  if (node == nullptr) return fail(Errc::not_found, "node " + hex_id(node_id));
  if (!outcome.ok()) return std::unexpected(refused(outcome));
  const auto body = protocol::AttestResponse::decode(outcome.body);
  if (!body) return std::unexpected(body.error());
  const protocol::Body& key = body->key ? *body->key : node->attestation_key;
  Result<protocol::QuotedState> state = fail(Errc::not_authentic, "the attestation key of another TPM");
  if (node->attestation_key.empty() || key == node->attestation_key) {
    state = protocol::verify_quote(key, body->quote, body->signature, nonce, protocol::kAttestedPcrs);
  }
  if (!state) {
    raise(node_id, policy::Grade::critical, state.error().detail);
    return std::unexpected(state.error());
  }
  ControlPort::Attested out;
  AKM_ASSIGN(out.outcome, compare(*node, key, *state, accept));
  out.pcr_digest = state->pcr_digest;
  out.log_digest = body->log;
  // Passed: with the key and the PCRs that are known of it. A first quote proves nothing of before.
  if (out.outcome == "same" || out.outcome == "accepted") recovery_.attested(node_id);
  return out;
}

void Attestations::attest(protocol::NodeId node_id, bool accept, Reply<ControlPort::Attested> reply) {
  const NodeRecord* node = core_.registry.node(node_id);
  if (node == nullptr) return reply(fail(Errc::not_found, "node " + hex_id(node_id)));
  if (node->activated_serial == 0) return reply(fail(Errc::not_activated, node->name));
  protocol::AttestRequest request;
  request.nonce.resize(protocol::kAttestationNonceBytes);
  if (const Status drawn = core_.random.fill(request.nonce); !drawn)
    return reply(std::unexpected(drawn.error()));
  request.pcrs.assign(protocol::kAttestedPcrs.begin(), protocol::kAttestedPcrs.end());
  const auto deadline = std::chrono::seconds(core_.settings.policy.control_deadline_s);
  auto handler = [this, node_id, accept, serial = node->serial, nonce = request.nonce,
                  reply = std::move(reply)](const Outcome& outcome, Instant) mutable {
    const NodeRecord* now = core_.registry.node(node_id);
    // The next serial may be for another machine, whose key is another one.
    if (now != nullptr && now->serial != serial)
      return reply(fail(Errc::interrupted, now->name + " was prepared anew meanwhile"));
    reply(answered(node_id, accept, nonce, outcome));
  };
  core_.requests.send(node->provisioning_asr, protocol::Method::attest, request.encode(), deadline,
                      core_.now(), std::move(handler));
}

}  // namespace akm::nmm
