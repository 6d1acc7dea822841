// Section 7, TPM import: what the node tells of its TPM, and the bundle that only this TPM opens. Done aside:
// a TPM takes its time.
#include <algorithm>
#include <memory>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/crypto/digest.h"
#include "daemon/node/node.h"
#include "daemon/node/node_import.h"
#include "daemon/protocol/node_identity.h"
#include "daemon/protocol/tpm_bundle.h"
#include "keyring/tpm_policy.h"

namespace akm::node {
namespace {

/// The attestation key signs the whole, so that nobody changes a part of it on its way.
Result<ControlPort::TpmIdentity> identity_file(const TpmWays& tpm,
                                               const ControlPort::HardwareIdentity& hardware) {
  AKM_ASSIGN(keyring::TpmIdentity keys, tpm.identity());
  protocol::NodeIdentity identity;
  identity.endorsement_key = std::move(keys.endorsement_key);
  identity.endorsement_certificate = std::move(keys.endorsement_certificate);
  identity.storage_key = std::move(keys.storage_key);
  identity.attestation_key = std::move(keys.attestation_key);
  std::ranges::copy(hardware.value, identity.hardware_value.begin());
  for (const auto& [name, value] : hardware.sources) identity.sources.push_back({name, value});
  const std::vector<std::uint32_t> pcrs(protocol::kAttestedPcrs.begin(), protocol::kAttestedPcrs.end());
  AKM_ASSIGN(const std::uint32_t mask, keyring::pcr_mask(pcrs));
  AKM_ASSIGN(keyring::TpmQuote quote, tpm.quoter(identity.digest(), mask));
  identity.quote = std::move(quote.quote);
  identity.signature = std::move(quote.signature);
  // What an NMM would refuse is found out here, where something can be done about it.
  AKM_TRY(protocol::check_identity(identity));
  ControlPort::TpmIdentity out;
  out.file = identity.encode();
  if (out.file.size() > protocol::kNodeIdentityBytes) return fail(Errc::too_large, "identity of this node");
  out.fingerprint = hex(crypto::sha256({out.file}));
  return out;
}

keyring::TpmImport import_of(const protocol::TpmEnvelope& envelope) {
  return {.endorsement_key = envelope.endorsement_key,
          .storage_key = envelope.storage_key,
          .attestation_key = envelope.attestation_key,
          .object = envelope.import.object,
          .duplicate = envelope.import.duplicate,
          .seed = envelope.import.seed,
          .storage_credential = envelope.storage_credential,
          .attestation_credential = envelope.attestation_credential};
}

Result<protocol::BundleContent> open_with(const TpmWays& tpm, const protocol::TpmEnvelope& envelope) {
  AKM_ASSIGN(const keyring::TpmImported imported, tpm.import(import_of(envelope)));
  return protocol::open_tpm_bundle(envelope, {imported.secret.clone(), imported.of_storage_key.clone(),
                                              imported.of_attestation_key.clone()});
}

Result<protocol::BundleContent> open_for_tpm(const TpmWays& tpm, const protocol::HardwareValue& hardware,
                                             std::span<const std::uint8_t> file,
                                             std::span<const std::uint8_t> digest) {
  AKM_ASSIGN(const protocol::TpmEnvelope envelope, protocol::TpmEnvelope::decode(file));
  if (!digest.empty() && !std::ranges::equal(digest, crypto::sha256({file})))
    return fail(Errc::not_authentic, "this is not the bundle with that digest");
  if (!tpm.import) return fail(Errc::wrong_state, "the bundle is for a TPM, and this node has none");
  if (hardware != envelope.hardware_value) return fail(Errc::hardware_mismatch);
  return open_with(tpm, envelope);
}

}  // namespace

void Node::tpm_identity(Reply<TpmIdentity> reply) {
  const TpmWays& tpm = parts_.hardware.tpm();
  if (!tpm.identity || !tpm.quoter) return reply(fail(Errc::not_supported, "this node has no TPM"));
  auto hardware = parts_.hardware.identity();
  if (!hardware) return reply(std::unexpected(hardware.error()));
  service::reply_aside<TpmIdentity>(
      parts_.run_aside, [tpm, hardware = std::move(*hardware)] { return identity_file(tpm, hardware); },
      std::move(reply));
}

void Node::provision_from_tpm_file(const std::string& path, const std::vector<std::uint8_t>& digest,
                                   Done done) {
  if (const Status allowed = may_be_provisioned(); !allowed) return done(allowed);
  const auto hardware = parts_.hardware.value();
  if (!hardware) return done(std::unexpected(hardware.error()));
  const SharedImport import = begin_import(std::move(done));
  import->path = path;
  import->also = settings_.drives_also;
  aside(
      import,
      [tpm = parts_.hardware.tpm(), hardware = *hardware, digest](Import& one) {
        one.open_source();
        one.content = one.source ? open_for_tpm(tpm, hardware, one.source->bytes(), digest)
                                 : std::unexpected(one.source.error());
      },
      &Node::opened_without_code);
}

}  // namespace akm::node
