#include "keyring/tpm_import.h"

#include <algorithm>
#include <array>

#include "daemon/crypto/secret_observer.h"
#include "keyring/tpm_keys.h"
#include "keyring/tpm_marshal.h"
#include "keyring/tpm_traces.h"

namespace akm::keyring {
namespace {

constexpr TPMA_SESSION kEncryptBoth = TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT;
using Secret = SecretBytes<kTpmSecretBytes>;

/// What a TPM says of wrapped bytes that are not those that were made for it.
constexpr std::array<TSS2_RC, 10> kAltered = {
    TPM2_RC_INTEGRITY, TPM2_RC_VALUE,        TPM2_RC_SIZE,          TPM2_RC_ECC_POINT, TPM2_RC_BINDING,
    TPM2_RC_HASH,      TPM2_RC_INSUFFICIENT, TPM2_RC_RESERVED_BITS, TPM2_RC_TYPE,      TPM2_RC_ATTRIBUTES};

Status run(TpmContext& tpm, std::string_view what, const std::function<TSS2_RC()>& command) {
  const TSS2_RC response = tpm.submit(command);
  if (response == TSS2_RC_SUCCESS) return {};
  Error error = tpm_error(what, response).error();
  if (std::ranges::any_of(kAltered, [&](TSS2_RC code) { return is_tpm_code(response, code); }))
    return fail(Errc::not_authentic, "the TPM refuses it: " + error.detail);
  return std::unexpected(std::move(error));
}

/// TPM2B_DIGEST and TPM2B_SENSITIVE_DATA alike: takes the secret out and wipes what the library made.
template <typename Sized>
Result<Secret> take(TpmContext& tpm, Sized* raw) {
  const EsysPtr<Sized> data(raw);
  Result<Secret> out = fail(Errc::malformed, "a secret for a TPM has 32 bytes");
  if (data->size == kTpmSecretBytes) {
    out = Secret::copy_of(std::span<const std::uint8_t, kTpmSecretBytes>(data->buffer, kTpmSecretBytes));
    crypto::observe_secret("secret from a TPM", out->reveal());
  }
  wipe(data->buffer, sizeof data->buffer);
  cover_last_response(tpm);
  return out;
}

struct Credential {
  TPM2B_ID_OBJECT blob{};
  TPM2B_ENCRYPTED_SECRET secret{};
};
Result<Credential> parse_credential(std::span<const std::uint8_t> bytes) {
  Credential out;
  std::size_t at = 0;
  if (Tss2_MU_TPM2B_ID_OBJECT_Unmarshal(bytes.data(), bytes.size(), &at, &out.blob) != TSS2_RC_SUCCESS ||
      Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal(bytes.data(), bytes.size(), &at, &out.secret) !=
          TSS2_RC_SUCCESS ||
      at != bytes.size()) {
    return fail(Errc::malformed, "credential for a TPM");
  }
  return out;
}

/// The endorsement key's policy: whoever may use the endorsement hierarchy.
Result<TpmHandle> endorsement_session(TpmContext& tpm, ESYS_TR salt) {
  AKM_ASSIGN(TpmHandle session, tpm.start_session(TPM2_SE_POLICY, salt, 0));
  AKM_TRY(tpm.run("Esys_PolicySecret, endorsement hierarchy", [&] {
    return Esys_PolicySecret(tpm.esys(), ESYS_TR_RH_ENDORSEMENT, session.get(), ESYS_TR_PASSWORD,
                             ESYS_TR_NONE, ESYS_TR_NONE, nullptr, nullptr, nullptr, 0, nullptr, nullptr);
  }));
  return session;
}

/// `beside` has the name that the credential is for.
Result<Secret> activate(TpmContext& tpm, ESYS_TR salt, ESYS_TR endorsement_key, ESYS_TR beside,
                        std::span<const std::uint8_t> bytes) {
  AKM_ASSIGN(const Credential credential, parse_credential(bytes));
  AKM_ASSIGN(const TpmHandle policy, endorsement_session(tpm, salt));
  AKM_ASSIGN(const TpmHandle session, tpm.start_session(TPM2_SE_HMAC, salt, kEncryptBoth));
  TPM2B_DIGEST* secret = nullptr;
  AKM_TRY(run(tpm, "Esys_ActivateCredential", [&] {
    return Esys_ActivateCredential(tpm.esys(), beside, endorsement_key, session.get(), policy.get(),
                                   ESYS_TR_NONE, &credential.blob, &credential.secret, &secret);
  }));
  return take(tpm, secret);
}

Result<TpmHandle> import_and_load(TpmContext& tpm, ESYS_TR parent, const TpmImport& wrapped) {
  AKM_ASSIGN(const TPM2B_PUBLIC object,
             unmarshalled<TPM2B_PUBLIC>(Tss2_MU_TPM2B_PUBLIC_Unmarshal, wrapped.object));
  AKM_ASSIGN(const TPM2B_PRIVATE duplicate,
             unmarshalled<TPM2B_PRIVATE>(Tss2_MU_TPM2B_PRIVATE_Unmarshal, wrapped.duplicate));
  AKM_ASSIGN(const TPM2B_ENCRYPTED_SECRET seed,
             unmarshalled<TPM2B_ENCRYPTED_SECRET>(Tss2_MU_TPM2B_ENCRYPTED_SECRET_Unmarshal, wrapped.seed));
  AKM_ASSIGN(const TpmHandle session, tpm.start_session(TPM2_SE_HMAC, parent, kEncryptBoth));
  const TPM2B_DATA no_key{};
  TPMT_SYM_DEF_OBJECT no_inner_wrapper{};
  no_inner_wrapper.algorithm = TPM2_ALG_NULL;
  TPM2B_PRIVATE* raw = nullptr;
  AKM_TRY(run(tpm, "Esys_Import", [&] {
    return Esys_Import(tpm.esys(), parent, session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &no_key, &object,
                       &duplicate, &seed, &no_inner_wrapper, &raw);
  }));
  const EsysPtr<TPM2B_PRIVATE> private_area(raw);
  ESYS_TR loaded = ESYS_TR_NONE;
  AKM_TRY(run(tpm, "Esys_Load", [&] {
    return Esys_Load(tpm.esys(), parent, session.get(), ESYS_TR_NONE, ESYS_TR_NONE, private_area.get(),
                     &object, &loaded);
  }));
  return TpmHandle(tpm.esys(), loaded, TpmHandle::Kind::transient);
}

Result<Secret> unseal_imported(TpmContext& tpm, ESYS_TR parent, const TpmImport& wrapped) {
  AKM_ASSIGN(const TpmHandle object, import_and_load(tpm, parent, wrapped));
  AKM_ASSIGN(const TpmHandle session, tpm.start_session(TPM2_SE_HMAC, parent, TPMA_SESSION_ENCRYPT));
  TPM2B_SENSITIVE_DATA* data = nullptr;
  AKM_TRY(run(tpm, "Esys_Unseal", [&] {
    return Esys_Unseal(tpm.esys(), object.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &data);
  }));
  return take(tpm, data);
}

Result<TpmImported> import_all(TpmContext& tpm, const TpmImport& wrapped) {
  AKM_ASSIGN(const TpmHandle storage_key, primary_storage_key(tpm, wrapped.storage_key));
  TpmImported out;
  {
    // A TPM has room for three objects: these two and the attestation key.
    AKM_ASSIGN(const TpmHandle endorsement_key, endorsement_key_named(tpm, wrapped.endorsement_key));
    AKM_ASSIGN(out.of_storage_key, activate(tpm, storage_key.get(), endorsement_key.get(), storage_key.get(),
                                            wrapped.storage_credential));
    AKM_ASSIGN(const TpmHandle attestation_key, primary_attestation_key(tpm, wrapped.attestation_key));
    AKM_ASSIGN(out.of_attestation_key, activate(tpm, storage_key.get(), endorsement_key.get(),
                                                attestation_key.get(), wrapped.attestation_credential));
  }
  AKM_ASSIGN(out.secret, unseal_imported(tpm, storage_key.get(), wrapped));
  return out;
}

}  // namespace

Result<TpmImported> import_from(TpmContext& tpm, const TpmImport& wrapped) {
  auto out = import_all(tpm, wrapped);
  wipe_stack_below();
  return out;
}

}  // namespace akm::keyring
