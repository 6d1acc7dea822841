#pragma once
// Public areas of the objects that are made in the TPM. A changed template is another key: these never
// change.
#include <tss2/tss2_tpm2_types.h>

namespace akm::keyring {

/// Storage root key: TCG TPM v2.0 Provisioning Guidance 7.5.1, as systemd and tpm2-tools make it: the EK
/// template with userWithAuth and noDA in place of adminWithPolicy and its policy, and an empty unique field.
TPM2B_PUBLIC storage_template_ecc();
TPM2B_PUBLIC storage_template_rsa();
/// Endorsement key: TCG EK Credential Profile 2.0, templates L-2 (ECC P-256) and L-1 (RSA 2048).
TPM2B_PUBLIC endorsement_template_ecc();
TPM2B_PUBLIC endorsement_template_rsa();
/// Attestation key: restricted signing, ECDSA P-256 with SHA-256, never out of this TPM, outside the lockout
/// logic.
TPM2B_PUBLIC attestation_template();
/// Sealed data: bound to this TPM and this parent, outside the lockout logic, opened with its empty
/// authorisation.
TPM2B_PUBLIC sealed_object_template();

}  // namespace akm::keyring
