#include "daemon/node/tpm_import.h"

#include <algorithm>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/crypto/digest.h"
#include "daemon/protocol/node_identity.h"
#include "daemon/protocol/tpm_bundle.h"
#include "keyring/tpm_policy.h"

namespace akm::node {
namespace {

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

Result<protocol::BundleContent> open_file(const TpmWays& tpm, const protocol::HardwareValue& hardware,
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

/// The attestation key signs the whole, so that nobody changes a part of it on its way.
Result<ControlPort::TpmIdentity> make_tpm_identity(const TpmWays& tpm,
                                                   const ControlPort::HardwareIdentity& hardware) {
  if (!tpm.identity || !tpm.quoter) return fail(Errc::not_supported, "this machine has no TPM");
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

service::BundleImport::Open open_for_tpm(const TpmWays& tpm, const protocol::HardwareValue& hardware,
                                         std::vector<std::uint8_t> digest) {
  return [tpm, hardware, digest = std::move(digest)](std::span<const std::uint8_t> file) {
    return open_file(tpm, hardware, file, digest);
  };
}

}  // namespace akm::node
