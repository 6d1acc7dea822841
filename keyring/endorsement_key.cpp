#include "keyring/endorsement_key.h"

#include "daemon/base/hex.h"
#include "keyring/tpm_keys.h"

namespace akm::keyring {
namespace {

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
  AKM_ASSIGN(const TpmHandle key, endorsement_key_named(tpm));
  return name_text(tpm, key.get());
}

}  // namespace akm::keyring
