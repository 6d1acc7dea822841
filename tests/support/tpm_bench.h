#pragma once
// What tests of the TPM's users share: a software TPM, what its other users do to it, and what is left in it.
#include <criterion/criterion.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>
#include <string>
#include <vector>

#include "keyring/sealer.h"
#include "keyring/tpm_context.h"
#include "tests/support/swtpm_fixture.h"

namespace akm::test {

inline constexpr std::uint32_t kCounterIndex = 0x01800A4B;

inline keyring::StorageKey key_of(std::uint8_t first) {
  keyring::StorageKey key;
  for (std::size_t i = 0; i < keyring::kStorageKeyBytes; ++i) {
    key.reveal_mutable()[i] = static_cast<std::uint8_t>(first + i);
  }
  return key;
}

inline std::unique_ptr<SwTpm> software_tpm() {
  if (!have_swtpm()) cr_skip("%s", kNoSwtpm);
  return std::make_unique<SwTpm>();
}

inline std::unique_ptr<keyring::TpmContext> context_at(const SwTpm& tpm) {
  auto context = keyring::TpmContext::open(tpm.tcti());
  cr_assert(context, "%s", context ? "" : context.error().message().c_str());
  return std::move(*context);
}

inline std::unique_ptr<TPMS_CAPABILITY_DATA, keyring::EsysFree> capability(const SwTpm& tpm, TPM2_CAP what,
                                                                           UINT32 first) {
  const auto context = context_at(tpm);
  TPMS_CAPABILITY_DATA* data = nullptr;
  TPMI_YES_NO more = 0;
  cr_assert_eq(Esys_GetCapability(context->esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, what, first, 8,
                                  &more, &data),
               TSS2_RC_SUCCESS);
  return std::unique_ptr<TPMS_CAPABILITY_DATA, keyring::EsysFree>(data);
}

/// Objects and sessions inside the TPM: 0 when all were flushed.
inline UINT32 handles_left(const SwTpm& tpm) {
  UINT32 count = 0;
  for (const UINT32 kind : {TPM2_TRANSIENT_FIRST, TPM2_LOADED_SESSION_FIRST, TPM2_ACTIVE_SESSION_FIRST}) {
    count += capability(tpm, TPM2_CAP_HANDLES, kind)->data.handles.count;
  }
  return count;
}

/// TPM_PT_LOCKOUT_COUNTER: authorisation failures that count towards lockout.
inline UINT32 lockout_counter(const SwTpm& tpm) {
  const auto data = capability(tpm, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_LOCKOUT_COUNTER);
  cr_assert_eq(data->data.tpmProperties.tpmProperty[0].property, TPM2_PT_LOCKOUT_COUNTER);
  return data->data.tpmProperties.tpmProperty[0].value;
}

inline void extend_pcr(const SwTpm& tpm, ESYS_TR pcr) {
  const auto context = context_at(tpm);
  TPML_DIGEST_VALUES digests{};
  digests.count = 1;
  digests.digests[0].hashAlg = TPM2_ALG_SHA256;
  digests.digests[0].digest.sha256[0] = 1;
  cr_assert_eq(Esys_PCR_Extend(context->esys(), pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &digests),
               TSS2_RC_SUCCESS);
}

/// What the machine's owner or its firmware does: the storage hierarchy gets another seed.
inline void clear_owner(const SwTpm& tpm) {
  const auto context = context_at(tpm);
  cr_assert_eq(Esys_Clear(context->esys(), ESYS_TR_RH_LOCKOUT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE),
               TSS2_RC_SUCCESS);
}

inline void make_persistent(const SwTpm& tpm, const TPM2B_PUBLIC& area, TPM2_HANDLE at) {
  const auto context = context_at(tpm);
  const auto made = context->create_primary(ESYS_TR_RH_OWNER, area, "primary");
  cr_assert(made);
  ESYS_TR persistent = ESYS_TR_NONE;
  cr_assert_eq(Esys_EvictControl(context->esys(), ESYS_TR_RH_OWNER, made->get(), ESYS_TR_PASSWORD,
                                 ESYS_TR_NONE, ESYS_TR_NONE, at, &persistent),
               TSS2_RC_SUCCESS);
}

/// An operator's key that signs PCR values.
class SigningKey {
 public:
  SigningKey() : key_(EVP_EC_gen("prime256v1")) {}
  SigningKey(const SigningKey&) = delete;
  SigningKey& operator=(const SigningKey&) = delete;
  ~SigningKey() { EVP_PKEY_free(key_); }
  [[nodiscard]] std::string pem() const {
    BIO* out = BIO_new(BIO_s_mem());
    (void)PEM_write_bio_PUBKEY(out, key_);
    char* text = nullptr;
    const long size = BIO_get_mem_data(out, &text);
    std::string pem(text, static_cast<std::size_t>(size));
    BIO_free(out);
    return pem;
  }
  [[nodiscard]] std::vector<std::uint8_t> sign(const std::vector<std::uint8_t>& bytes) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    std::size_t size = 0;
    (void)EVP_DigestSignInit_ex(context, nullptr, "SHA2-256", nullptr, nullptr, key_, nullptr);
    (void)EVP_DigestSign(context, nullptr, &size, bytes.data(), bytes.size());
    std::vector<std::uint8_t> der(size);
    (void)EVP_DigestSign(context, der.data(), &size, bytes.data(), bytes.size());
    der.resize(size);
    EVP_MD_CTX_free(context);
    return der;
  }

 private:
  EVP_PKEY* key_;
};

}  // namespace akm::test
