#include "keyring/unseal_policy.h"

#include <algorithm>
#include <string_view>

#include "daemon/crypto/digest.h"
#include "keyring/policy_key.h"
#include "keyring/tpm_marshal.h"
#include "keyring/tpm_policy.h"

namespace akm::keyring {
namespace {

// policyRef: a signature of the same key for another use opens nothing here.
constexpr std::string_view kUse = "akm1 pcr policy";
constexpr std::string_view kRecovery = "akm1 recovery";

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

template <typename Sized>
Sized sized(std::span<const std::uint8_t> bytes) {
  Sized out{};
  out.size = static_cast<UINT16>(bytes.size());
  std::ranges::copy(bytes, out.buffer);
  return out;
}

// In the order of the policy.
Result<std::vector<TPM2B_DIGEST>> alternatives(const SealedBlob& blob) {
  std::vector<TPM2B_DIGEST> out{pcr_policy_digest(blob.pcr_mask, blob.pcr_values), recovery_policy_digest()};
  if (!blob.policy_key.empty()) {
    AKM_ASSIGN(const auto name, name_of_public(blob.policy_key));
    out.push_back(authorised_policy_digest(name, bytes_of(kUse)));
  }
  return out;
}

TSS2_RC meet_pcrs(TpmContext& tpm, ESYS_TR session, std::uint32_t mask) {
  const TPM2B_DIGEST present{};  // empty: the values of this moment
  const TPML_PCR_SELECTION selection = pcr_selection(mask);
  return tpm.submit([&] {
    return Esys_PolicyPCR(tpm.esys(), session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &present,
                          &selection);
  });
}

// The step that all ways end with.
TSS2_RC meet_either(TpmContext& tpm, ESYS_TR session, const SealedBlob& blob) {
  const auto ways = alternatives(blob);
  if (!ways) return TSS2_ESYS_RC_BAD_VALUE;  // was looked at before
  TPML_DIGEST list{};
  for (const TPM2B_DIGEST& way : *ways) list.digests[list.count++] = way;
  return tpm.submit(
      [&] { return Esys_PolicyOR(tpm.esys(), session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &list); });
}

}  // namespace

Result<SecretBytes<32>> recovery_authorisation(std::span<const std::uint8_t> secret) {
  if (secret.size() < kRecoverySecretMinBytes || secret.size() > kRecoverySecretMaxBytes) {
    return fail(Errc::invalid_argument, "a recovery secret has " + std::to_string(kRecoverySecretMinBytes) +
                                            " to " + std::to_string(kRecoverySecretMaxBytes) + " bytes");
  }
  const std::uint8_t zero = 0;
  auto digest = crypto::sha256({bytes_of(kRecovery), std::span(&zero, 1), secret});
  digest.back() |= 1;  // a TPM takes zeros at the end off
  auto out = SecretBytes<32>::copy_of(digest);
  wipe(digest.data(), digest.size());
  return out;
}

Result<TPM2B_DIGEST> unseal_policy(const SealedBlob& blob) {
  AKM_ASSIGN(const auto ways, alternatives(blob));
  return either_policy_digest(ways);
}

Status check_recorded_values(const SealedBlob& blob) {
  AKM_ASSIGN(const TPM2B_PUBLIC area,
             unmarshalled<TPM2B_PUBLIC>(Tss2_MU_TPM2B_PUBLIC_Unmarshal, blob.public_part));
  AKM_ASSIGN(const TPM2B_DIGEST policy, unseal_policy(blob));
  const TPM2B_DIGEST& made_with = area.publicArea.authPolicy;
  if (std::ranges::equal(std::span(policy.buffer, policy.size),
                         std::span(made_with.buffer, made_with.size))) {
    return {};
  }
  return fail(Errc::malformed,
              "the PCR values in the file are not those that the key is sealed to: the file was changed");
}

std::vector<std::uint8_t> bytes_to_sign(std::uint32_t mask, std::span<const std::uint8_t> values) {
  const TPM2B_DIGEST policy = pcr_policy_digest(mask, values);
  std::vector<std::uint8_t> out(policy.buffer, policy.buffer + policy.size);
  const auto use = bytes_of(kUse);
  out.insert(out.end(), use.begin(), use.end());
  return out;
}

Result<TPMT_TK_VERIFIED> verify_authorisation(TpmContext& tpm, const SealedBlob& blob,
                                              const AuthorisedPcrs& one) {
  AKM_ASSIGN(const TPM2B_PUBLIC key,
             unmarshalled<TPM2B_PUBLIC>(Tss2_MU_TPM2B_PUBLIC_Unmarshal, blob.policy_key));
  AKM_ASSIGN(const TPMT_SIGNATURE signature,
             unmarshalled<TPMT_SIGNATURE>(Tss2_MU_TPMT_SIGNATURE_Unmarshal, one.signature));
  ESYS_TR loaded = ESYS_TR_NONE;
  AKM_TRY(tpm.run("Esys_LoadExternal, policy key", [&] {
    return Esys_LoadExternal(tpm.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, nullptr, &key,
                             ESYS_TR_RH_OWNER, &loaded);
  }));
  const TpmHandle handle(tpm.esys(), loaded, TpmHandle::Kind::transient);
  const auto digest = sized<TPM2B_DIGEST>(crypto::sha256({bytes_to_sign(blob.pcr_mask, one.values)}));
  TPMT_TK_VERIFIED* raw = nullptr;
  const TSS2_RC response = tpm.submit([&] {
    return Esys_VerifySignature(tpm.esys(), loaded, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &digest,
                                &signature, &raw);
  });
  if (is_tpm_code(response, TPM2_RC_SIGNATURE)) {
    return fail(Errc::not_authentic, "the signature is not of the policy key over these PCR values");
  }
  if (response != TSS2_RC_SUCCESS) return tpm_error("Esys_VerifySignature", response);
  const EsysPtr<TPMT_TK_VERIFIED> ticket(raw);
  return *ticket;
}

TSS2_RC meet_by_pcrs(TpmContext& tpm, ESYS_TR session, const SealedBlob& blob) {
  const TSS2_RC response = meet_pcrs(tpm, session, blob.pcr_mask);
  return response == TSS2_RC_SUCCESS ? meet_either(tpm, session, blob) : response;
}

TSS2_RC meet_by_authorisation(TpmContext& tpm, ESYS_TR session, const SealedBlob& blob,
                              const AuthorisedPcrs& one, const TPMT_TK_VERIFIED& ticket) {
  const auto key_name = name_of_public(blob.policy_key);
  if (!key_name) return TSS2_ESYS_RC_BAD_VALUE;
  TPM2B_NAME name{};
  name.size = static_cast<UINT16>(key_name->size());
  std::ranges::copy(*key_name, name.name);
  const TPM2B_DIGEST approved = pcr_policy_digest(blob.pcr_mask, one.values);
  const auto use = sized<TPM2B_NONCE>(bytes_of(kUse));
  const TSS2_RC measured = meet_pcrs(tpm, session, blob.pcr_mask);
  if (measured != TSS2_RC_SUCCESS) return measured;
  const TSS2_RC response = tpm.submit([&] {
    return Esys_PolicyAuthorize(tpm.esys(), session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &approved,
                                &use, &name, &ticket);
  });
  return response == TSS2_RC_SUCCESS ? meet_either(tpm, session, blob) : response;
}

TSS2_RC meet_by_recovery(TpmContext& tpm, ESYS_TR session, const SealedBlob& blob) {
  const TSS2_RC response = tpm.submit(
      [&] { return Esys_PolicyAuthValue(tpm.esys(), session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE); });
  return response == TSS2_RC_SUCCESS ? meet_either(tpm, session, blob) : response;
}

}  // namespace akm::keyring
