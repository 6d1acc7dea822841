#include "keyring/endorsement_key.h"

#include <array>

#include "daemon/base/hex.h"
#include "keyring/tpm_templates.h"

namespace akm::keyring {
namespace {

constexpr TPM2_HANDLE kPersistentRsa = 0x81010001;
constexpr TPM2_HANDLE kPersistentEcc = 0x81010002;

Result<std::string> name_text(TpmContext& tpm, ESYS_TR object) {
  TPM2B_NAME* raw = nullptr;
  const TSS2_RC response = Esys_TR_GetName(tpm.esys(), object, &raw);
  if (response != TSS2_RC_SUCCESS) return tpm_error("Esys_TR_GetName", response);
  const EsysPtr<TPM2B_NAME> name(raw);
  return hex(std::span<const std::uint8_t>(name->name, name->size));
}

}  // namespace

// The order never depends on what is persistent at the moment: a name that changes would unbind the
// credentials.
Result<std::string> endorsement_key_name(TpmContext& tpm) {
  Error last;
  for (TPM2B_PUBLIC (*make_template)() : std::array{&endorsement_template_ecc, &endorsement_template_rsa}) {
    const auto made =
        tpm.create_primary(ESYS_TR_RH_ENDORSEMENT, make_template(), "Esys_CreatePrimary, endorsement key");
    if (made) return name_text(tpm, made->get());
    last = made.error();
  }
  for (const TPM2_HANDLE handle : {kPersistentEcc, kPersistentRsa}) {
    const auto found = tpm.find(handle, "endorsement key");
    if (found) return name_text(tpm, found->get());
  }
  return std::unexpected(std::move(last));
}

}  // namespace akm::keyring
