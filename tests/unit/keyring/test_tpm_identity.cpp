#include "keyring/tpm_identity.h"

#include <criterion/criterion.h>

#include "daemon/base/hex.h"
#include "daemon/protocol/tpm_public.h"
#include "keyring/endorsement_key.h"
#include "keyring/tpm_attestor.h"
#include "tests/support/faulty_tcti.h"
#include "tests/support/swtpm_fixture.h"

using namespace akm;
using namespace akm::keyring;
using akm::test::SwTpm;
using akm::test::TpmFault;

namespace {

std::unique_ptr<SwTpm> software_tpm() {
  if (!akm::test::have_swtpm()) cr_skip("%s", akm::test::kNoSwtpm);
  return std::make_unique<SwTpm>();
}

/// As a vendor does: an index that everybody may read.
void write_certificate(TpmContext& tpm, TPM2_HANDLE index, std::size_t size) {
  TPM2B_NV_PUBLIC area{};
  area.nvPublic.nvIndex = index;
  area.nvPublic.nameAlg = TPM2_ALG_SHA256;
  area.nvPublic.attributes = TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD | TPMA_NV_NO_DA;
  area.nvPublic.dataSize = static_cast<UINT16>(size);
  const TPM2B_AUTH empty{};
  ESYS_TR handle = ESYS_TR_NONE;
  cr_assert_eq(Esys_NV_DefineSpace(tpm.esys(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                                   &empty, &area, &handle),
               TSS2_RC_SUCCESS);
  for (std::size_t at = 0; at < size; at += 500) {
    TPM2B_MAX_NV_BUFFER chunk{};
    chunk.size = static_cast<UINT16>(std::min<std::size_t>(500, size - at));
    std::fill_n(chunk.buffer, chunk.size, static_cast<BYTE>(at / 500 + 1));
    cr_assert_eq(Esys_NV_Write(tpm.esys(), ESYS_TR_RH_OWNER, handle, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                               ESYS_TR_NONE, &chunk, static_cast<UINT16>(at)),
                 TSS2_RC_SUCCESS);
  }
}

TpmIdentity identity_of(TpmContext& tpm) {
  auto identity = read_tpm_identity(tpm);
  cr_assert(identity.has_value(), "%s", identity.has_value() ? "" : identity.error().message().c_str());
  return std::move(*identity);
}

}  // namespace

Test(tpm_identity, without_a_certificate_it_is_the_key_of_the_hardware_value) {
  const auto machine = software_tpm();
  const auto tpm = TpmContext::open(machine->tcti());
  const TpmIdentity identity = identity_of(**tpm);
  cr_assert(identity.endorsement_certificate.empty());
  const auto endorsement = protocol::parse_endorsement_key(identity.endorsement_key);
  cr_assert(endorsement.has_value());
  cr_assert_eq(hex(endorsement->name), *endorsement_key_name(**tpm));
  cr_assert(protocol::parse_storage_key(identity.storage_key).has_value());
  const auto quote =
      TpmAttestor(tpm_opener(machine->tcti()), "/nonexistent").quote(std::vector<std::uint8_t>(32), 0xff);
  cr_assert(quote->key == identity.attestation_key, "the key that quotes");
}

Test(tpm_identity, the_key_with_a_certificate_goes_first) {
  const auto machine = software_tpm();
  const auto tpm = TpmContext::open(machine->tcti());
  write_certificate(**tpm, 0x01C00002, 1200);
  const TpmIdentity rsa = identity_of(**tpm);
  cr_assert_eq(rsa.endorsement_certificate.size(), 1200);
  cr_assert_eq(rsa.endorsement_certificate[499], 1);
  cr_assert_eq(rsa.endorsement_certificate[1199], 3);
  cr_assert_not(protocol::parse_endorsement_key(rsa.endorsement_key)->key.modulus.empty());
  write_certificate(**tpm, 0x01C0000A, 600);
  const TpmIdentity ecc = identity_of(**tpm);
  cr_assert_eq(ecc.endorsement_certificate.size(), 600);
  cr_assert(protocol::parse_endorsement_key(ecc.endorsement_key)->key.modulus.empty());
}

Test(tpm_identity, a_certificate_that_cannot_be_read_is_none) {
  const auto machine = software_tpm();
  write_certificate(**TpmContext::open(machine->tcti()), 0x01C0000A, 600);
  const auto tpm = akm::test::faulty_opener(machine->tcti(), [](TPM2_CC code) -> std::optional<TpmFault> {
    if (code != TPM2_CC_NV_Read) return std::nullopt;
    return TpmFault{TpmFault::Kind::respond, TPM2_RC_FAILURE};
  })();
  cr_assert(identity_of(**tpm).endorsement_certificate.empty());
}

Test(tpm_identity, nothing_to_be_had_is_an_error) {
  const auto machine = software_tpm();
  const auto tpm = akm::test::faulty_opener(machine->tcti(), [](TPM2_CC code) -> std::optional<TpmFault> {
    if (code == TPM2_CC_GetCapability) return std::nullopt;
    return TpmFault{TpmFault::Kind::respond, TPM2_RC_FAILURE};
  })();
  cr_assert_eq(read_tpm_identity(**tpm).error().code, Errc::tpm_failed);
}
