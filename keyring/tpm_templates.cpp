#include "keyring/tpm_templates.h"

#include <algorithm>
#include <array>

namespace akm::keyring {
namespace {

constexpr TPMA_OBJECT kPrimaryAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                           TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED |
                                           TPMA_OBJECT_DECRYPT;
constexpr TPMA_OBJECT kStorageAttributes = kPrimaryAttributes | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA;
constexpr TPMA_OBJECT kEndorsementAttributes = kPrimaryAttributes | TPMA_OBJECT_ADMINWITHPOLICY;

// PolicyA: PolicySecret(TPM_RH_ENDORSEMENT), SHA-256.
constexpr std::array<BYTE, 32> kPolicyA = {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xB3, 0xF8, 0x1A, 0x90, 0xCC,
                                           0x8D, 0x46, 0xA5, 0xD7, 0x24, 0xFD, 0x52, 0xD7, 0x6E, 0x06, 0x52,
                                           0x0B, 0x64, 0xF2, 0xA1, 0xDA, 0x1B, 0x33, 0x14, 0x69, 0xAA};

// AES-128-CFB, as both profiles want for a restricted decryption key.
template <typename Detail>
void set_symmetric(Detail& detail) {
  detail.symmetric.algorithm = TPM2_ALG_AES;
  detail.symmetric.keyBits.aes = 128;
  detail.symmetric.mode.aes = TPM2_ALG_CFB;
  detail.scheme.scheme = TPM2_ALG_NULL;
}

TPM2B_PUBLIC ecc(TPMA_OBJECT attributes) {
  TPM2B_PUBLIC area{};
  area.publicArea.type = TPM2_ALG_ECC;
  area.publicArea.nameAlg = TPM2_ALG_SHA256;
  area.publicArea.objectAttributes = attributes;
  TPMS_ECC_PARMS& detail = area.publicArea.parameters.eccDetail;
  set_symmetric(detail);
  detail.curveID = TPM2_ECC_NIST_P256;
  detail.kdf.scheme = TPM2_ALG_NULL;
  return area;
}

TPM2B_PUBLIC rsa(TPMA_OBJECT attributes) {
  TPM2B_PUBLIC area{};
  area.publicArea.type = TPM2_ALG_RSA;
  area.publicArea.nameAlg = TPM2_ALG_SHA256;
  area.publicArea.objectAttributes = attributes;
  TPMS_RSA_PARMS& detail = area.publicArea.parameters.rsaDetail;
  set_symmetric(detail);
  detail.keyBits = 2048;
  detail.exponent = 0;
  return area;
}

void set_policy_a(TPM2B_PUBLIC& area) {
  area.publicArea.authPolicy.size = kPolicyA.size();
  std::ranges::copy(kPolicyA, area.publicArea.authPolicy.buffer);
}

}  // namespace

TPM2B_PUBLIC storage_template_ecc() {
  return ecc(kStorageAttributes);
}

TPM2B_PUBLIC storage_template_rsa() {
  return rsa(kStorageAttributes);
}

TPM2B_PUBLIC endorsement_template_ecc() {
  TPM2B_PUBLIC area = ecc(kEndorsementAttributes);
  set_policy_a(area);
  // The profile fills the unique field with zeros of full length; the length goes into the key's derivation.
  area.publicArea.unique.ecc.x.size = 32;
  area.publicArea.unique.ecc.y.size = 32;
  return area;
}

TPM2B_PUBLIC endorsement_template_rsa() {
  TPM2B_PUBLIC area = rsa(kEndorsementAttributes);
  set_policy_a(area);
  area.publicArea.unique.rsa.size = 256;
  return area;
}

TPM2B_PUBLIC attestation_template() {
  TPM2B_PUBLIC area{};
  area.publicArea.type = TPM2_ALG_ECC;
  area.publicArea.nameAlg = TPM2_ALG_SHA256;
  area.publicArea.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                     TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                     TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT;
  TPMS_ECC_PARMS& detail = area.publicArea.parameters.eccDetail;
  detail.symmetric.algorithm = TPM2_ALG_NULL;
  detail.scheme.scheme = TPM2_ALG_ECDSA;
  detail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
  detail.curveID = TPM2_ECC_NIST_P256;
  detail.kdf.scheme = TPM2_ALG_NULL;
  return area;
}

TPM2B_PUBLIC sealed_object_template() {
  TPM2B_PUBLIC area{};
  area.publicArea.type = TPM2_ALG_KEYEDHASH;
  area.publicArea.nameAlg = TPM2_ALG_SHA256;
  area.publicArea.objectAttributes =
      TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA;
  area.publicArea.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
  return area;
}

}  // namespace akm::keyring
