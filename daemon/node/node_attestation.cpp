// Quotes of this machine's TPM (section 6): the NMM asks for one, or its policy wants one at activation. Made
// aside: a TPM takes its time.
#include <utility>

#include "daemon/node/node.h"
#include "daemon/protocol/attestation.h"
#include "keyring/tpm_policy.h"

namespace akm::node {

using protocol::RequestReceived;

void Node::command_attest(RequestReceived& request) {
  const auto body = protocol::AttestRequest::decode(request.body.reveal());
  if (!body) return respond(request, std::unexpected(body.error()));
  const std::vector<std::uint32_t> pcrs(body->pcrs.begin(), body->pcrs.end());
  const auto mask = keyring::pcr_mask(pcrs);
  if (!mask) return respond(request, std::unexpected(mask.error()));
  const keyring::Quoter& quoter = parts_.hardware.quoter();
  if (!quoter) return respond(request, fail(Errc::not_supported, "there is no TPM"));
  const Status begun =
      parts_.run_aside([this, quoter, nonce = body->nonce, mask = *mask,
                        asked = head_of(request)]() mutable -> keyring::TpmWorker::Completion {
        auto quote = quoter(nonce, mask);
        return [this, asked = std::move(asked), quote = std::move(quote)] { attested(asked, quote); };
      });
  if (!begun) respond(request, begun);
}

void Node::attested(const RequestReceived& request, const Result<keyring::TpmQuote>& quote) {
  if (!shell_) return;
  if (!quote) {
    say({.name = "attestation-failed", .severity = 4, .fields = {{"error", quote.error().message()}}}, {},
        "The TPM has made no quote");
    return respond(request, fail(Errc::busy, quote.error().detail));  // the NMM may ask again
  }
  ++counters_["quotes_made"];
  protocol::AttestResponse response;
  response.quote = quote->quote;
  response.signature = quote->signature;
  response.log = quote->log;
  response.key = quote->key;
  respond(request, {}, {}, response.encode());
}

void Node::quote_for_activation(protocol::ActivateRequest request) {
  const auto nonce =
      protocol::activation_nonce(record_->identity.asr_id, record_->identity.serial, request.hardware_value);
  const std::vector<std::uint32_t> pcrs(protocol::kAttestedPcrs.begin(), protocol::kAttestedPcrs.end());
  const auto mask = keyring::pcr_mask(pcrs);
  if (!mask) return activation_ended(std::unexpected(mask.error()));
  const Status begun =
      parts_.run_aside([this, quoter = parts_.hardware.quoter(), nonce, mask = *mask,
                        request = std::move(request)]() mutable -> keyring::TpmWorker::Completion {
        auto quote = quoter(nonce, mask);
        return [this, request = std::move(request), quote = std::move(quote)]() mutable {
          if (!quote) return activation_ended(std::unexpected(quote.error()));
          request.quote = std::move(quote->quote);
          request.signature = std::move(quote->signature);
          request.attestation_key = std::move(quote->key);
          send_activation(request);
        };
      });
  if (!begun) activation_ended(std::unexpected(begun.error()));
}

}  // namespace akm::node
