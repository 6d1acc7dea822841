#include "keyring/tpm_identity.h"

#include <algorithm>
#include <array>

#include "daemon/base/hex.h"
#include "keyring/endorsement_key.h"
#include "keyring/tpm_keys.h"
#include "keyring/tpm_templates.h"

namespace akm::keyring {
namespace {

constexpr TPM2_HANDLE kCertificateRsa = 0x01C00002;
constexpr TPM2_HANDLE kCertificateEcc = 0x01C0000A;
// Every TPM gives so much at once (TPM_PT_NV_BUFFER_MAX).
constexpr std::size_t kChunkBytes = 512;

Result<std::size_t> size_of_index(TpmContext& tpm, ESYS_TR index) {
  TPM2B_NV_PUBLIC* raw = nullptr;
  AKM_TRY(tpm.run("Esys_NV_ReadPublic", [&] {
    return Esys_NV_ReadPublic(tpm.esys(), index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &raw, nullptr);
  }));
  const EsysPtr<TPM2B_NV_PUBLIC> area(raw);
  return std::size_t{area->nvPublic.dataSize};
}

/// Empty where there is no such index. Public, and judged by who gets it: no session protects it.
Result<std::vector<std::uint8_t>> read_certificate(TpmContext& tpm, TPM2_HANDLE handle) {
  const auto index = tpm.find(handle, "endorsement certificate");
  std::vector<std::uint8_t> out;
  if (!index && index.error().code == Errc::not_found) return out;
  if (!index) return std::unexpected(index.error());
  AKM_ASSIGN(const std::size_t size, size_of_index(tpm, index->get()));
  if (size > kEndorsementCertificateBytes) return fail(Errc::too_large, "endorsement certificate");
  while (out.size() < size) {
    const auto wanted = static_cast<UINT16>(std::min(kChunkBytes, size - out.size()));
    TPM2B_MAX_NV_BUFFER* raw = nullptr;
    AKM_TRY(tpm.run("Esys_NV_Read, endorsement certificate", [&] {
      return Esys_NV_Read(tpm.esys(), index->get(), index->get(), ESYS_TR_PASSWORD, ESYS_TR_NONE,
                          ESYS_TR_NONE, wanted, static_cast<UINT16>(out.size()), &raw);
    }));
    const EsysPtr<TPM2B_MAX_NV_BUFFER> data(raw);
    if (data->size != wanted) return fail(Errc::tpm_failed, "the endorsement certificate is cut short");
    out.insert(out.end(), data->buffer, data->buffer + data->size);
  }
  return out;
}

/// A certificate that cannot be read leaves the key uncertified, which its receiver says loudly.
Status take_endorsement_key(TpmContext& tpm, TpmIdentity& out) {
  struct Kind {
    TPM2_HANDLE certificate;
    TPM2B_PUBLIC (*make_template)();
  };
  for (const Kind& kind :
       {Kind{kCertificateEcc, &endorsement_template_ecc}, Kind{kCertificateRsa, &endorsement_template_rsa}}) {
    auto certificate = read_certificate(tpm, kind.certificate);
    if (!certificate || certificate->empty()) continue;
    const auto key = tpm.create_primary(ESYS_TR_RH_ENDORSEMENT, kind.make_template(),
                                        "Esys_CreatePrimary, endorsement key");
    if (!key) continue;
    AKM_ASSIGN(out.endorsement_key, public_area_of(tpm, key->get()));
    out.endorsement_certificate = std::move(*certificate);
    return {};
  }
  AKM_ASSIGN(const std::string name, endorsement_key_name(tpm));
  AKM_ASSIGN(const auto bytes, parse_hex(name));
  AKM_ASSIGN(const TpmHandle key, endorsement_key_named(tpm, bytes));
  AKM_ASSIGN(out.endorsement_key, public_area_of(tpm, key.get()));
  return {};
}

}  // namespace

Result<TpmIdentity> read_tpm_identity(TpmContext& tpm) {
  TpmIdentity out;
  AKM_TRY(take_endorsement_key(tpm, out));
  {
    AKM_ASSIGN(const TpmHandle key, primary_storage_key(tpm));
    AKM_ASSIGN(out.storage_key, public_area_of(tpm, key.get()));
  }
  AKM_ASSIGN(const TpmHandle key, primary_attestation_key(tpm));
  AKM_ASSIGN(out.attestation_key, public_area_of(tpm, key.get()));
  return out;
}

}  // namespace akm::keyring
