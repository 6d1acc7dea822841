#include "keyring/policy_key.h"

#include <algorithm>

#include "daemon/crypto/digest.h"
#include "daemon/crypto/ecdsa.h"
#include "keyring/tpm_marshal.h"

namespace akm::keyring {
namespace {

template <typename Parameter>
void put(Parameter& out, std::span<const std::uint8_t> in) {
  out.size = static_cast<UINT16>(in.size());
  std::ranges::copy(in, out.buffer);
}

}  // namespace

Result<std::vector<std::uint8_t>> policy_key_of_pem(std::string_view pem) {
  AKM_ASSIGN(const crypto::P256Pair point, crypto::p256_key_of_pem(pem));
  TPM2B_PUBLIC area{};
  TPMT_PUBLIC& key = area.publicArea;
  key.type = TPM2_ALG_ECC;
  key.nameAlg = TPM2_ALG_SHA256;
  key.objectAttributes = TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_USERWITHAUTH;
  key.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
  key.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL;
  key.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
  key.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
  put(key.unique.ecc.x, std::span(point).first(crypto::kP256Bytes));
  put(key.unique.ecc.y, std::span(point).last(crypto::kP256Bytes));
  return marshalled<TPM2B_PUBLIC>(Tss2_MU_TPM2B_PUBLIC_Marshal, area);
}

Result<std::vector<std::uint8_t>> policy_signature_of_der(std::span<const std::uint8_t> der) {
  AKM_ASSIGN(const crypto::P256Pair parts, crypto::ecdsa_parts_of_der(der));
  TPMT_SIGNATURE signature{};
  signature.sigAlg = TPM2_ALG_ECDSA;
  signature.signature.ecdsa.hash = TPM2_ALG_SHA256;
  put(signature.signature.ecdsa.signatureR, std::span(parts).first(crypto::kP256Bytes));
  put(signature.signature.ecdsa.signatureS, std::span(parts).last(crypto::kP256Bytes));
  return marshalled<TPMT_SIGNATURE>(Tss2_MU_TPMT_SIGNATURE_Marshal, signature);
}

Result<std::vector<std::uint8_t>> name_of_public(std::span<const std::uint8_t> tpm2b_public) {
  AKM_TRY(unmarshalled<TPM2B_PUBLIC>(Tss2_MU_TPM2B_PUBLIC_Unmarshal, tpm2b_public));
  std::vector<std::uint8_t> name{TPM2_ALG_SHA256 >> 8, TPM2_ALG_SHA256 & 0xFF};
  const auto digest = crypto::sha256({tpm2b_public.subspan(2)});
  name.insert(name.end(), digest.begin(), digest.end());
  return name;
}

}  // namespace akm::keyring
