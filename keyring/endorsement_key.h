#pragma once
// The TPM's identity for the hardware value (protocol section 7): the name of its endorsement key.
#include <string>

#include "daemon/base/result.h"
#include "keyring/tpm_context.h"

namespace akm::keyring {

/// Name (nameAlg and digest, lower-case hex) of the endorsement key made from the standard template: ECC
/// P-256, else RSA 2048. Only where the endorsement hierarchy is locked by an authorisation, of the key that
/// the machine's owner made persistent (0x81010002 ECC, 0x81010001 RSA), which bears the same name.
/// tpm_failed.
Result<std::string> endorsement_key_name(TpmContext& tpm);

}  // namespace akm::keyring
