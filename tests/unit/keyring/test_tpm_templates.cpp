// A changed template is another key: what was sealed or bound under the old one is lost. So these are pinned.
#include "keyring/tpm_templates.h"

#include <criterion/criterion.h>
#include <tss2/tss2_mu.h>

#include <string>

#include "daemon/base/hex.h"
#include "daemon/crypto/digest.h"

namespace {

std::string digest_of(const TPM2B_PUBLIC& area) {
  uint8_t bytes[sizeof(TPM2B_PUBLIC)];
  std::size_t size = 0;
  cr_assert_eq(Tss2_MU_TPM2B_PUBLIC_Marshal(&area, bytes, sizeof bytes, &size), TSS2_RC_SUCCESS);
  return akm::hex(akm::crypto::sha256({std::span<const std::uint8_t>(bytes, size)})).substr(0, 16);
}

}  // namespace

Test(tpm_templates, never_change) {
  cr_assert_eq(digest_of(akm::keyring::storage_template_ecc()), "cf91f90736fe757b");
  cr_assert_eq(digest_of(akm::keyring::storage_template_rsa()), "9a24ee1a9b5429b8");
  cr_assert_eq(digest_of(akm::keyring::endorsement_template_ecc()), "7c2fcb9ee17d93c8");
  cr_assert_eq(digest_of(akm::keyring::endorsement_template_rsa()), "a378901ebc10e3f8");
  cr_assert_eq(digest_of(akm::keyring::attestation_template()), "d504c7852d4f5009");
  cr_assert_eq(digest_of(akm::keyring::sealed_object_template()), "aa78d907816191ea");
}

Test(tpm_templates, everything_of_ours_is_outside_the_lockout_logic) {
  for (const TPM2B_PUBLIC& area :
       {akm::keyring::storage_template_ecc(), akm::keyring::storage_template_rsa(),
        akm::keyring::attestation_template(), akm::keyring::sealed_object_template()}) {
    cr_assert_neq(area.publicArea.objectAttributes & TPMA_OBJECT_NODA, 0);
    cr_assert_neq(area.publicArea.objectAttributes & TPMA_OBJECT_FIXEDTPM, 0);
    cr_assert_neq(area.publicArea.objectAttributes & TPMA_OBJECT_FIXEDPARENT, 0);
  }
}
