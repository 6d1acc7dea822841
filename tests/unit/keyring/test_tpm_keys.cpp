#include "keyring/tpm_keys.h"

#include <criterion/criterion.h>

#include "daemon/base/hex.h"
#include "daemon/protocol/tpm_public.h"
#include "keyring/endorsement_key.h"
#include "keyring/tpm_templates.h"
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

protocol::TpmName name_of(TpmContext& tpm, const Result<TpmHandle>& key) {
  cr_assert(key.has_value(), "%s", key.has_value() ? "" : key.error().message().c_str());
  return *protocol::tpm_name(*public_area_of(tpm, key->get()));
}

}  // namespace

Test(tpm_keys, each_is_found_by_its_name_and_by_no_other) {
  const auto machine = software_tpm();
  const auto tpm = TpmContext::open(machine->tcti());
  cr_assert(tpm.has_value());
  const auto storage = name_of(**tpm, primary_storage_key(**tpm));
  const auto attestation = name_of(**tpm, primary_attestation_key(**tpm));
  cr_assert(name_of(**tpm, primary_storage_key(**tpm, storage)) == storage);
  cr_assert(name_of(**tpm, primary_attestation_key(**tpm, attestation)) == attestation);
  cr_assert_eq(primary_storage_key(**tpm, attestation).error().code, Errc::hardware_mismatch);
  cr_assert_eq(primary_attestation_key(**tpm, storage).error().code, Errc::hardware_mismatch);
  const auto ecc = *parse_hex(*endorsement_key_name(**tpm));
  cr_assert(std::ranges::equal(name_of(**tpm, endorsement_key_named(**tpm, ecc)), ecc));
  const auto made = (*tpm)->create_primary(ESYS_TR_RH_ENDORSEMENT, endorsement_template_rsa(), "EK");
  const auto rsa = name_of(**tpm, made);
  cr_assert(name_of(**tpm, endorsement_key_named(**tpm, rsa)) == rsa);
  cr_assert_eq(endorsement_key_named(**tpm, storage).error().code, Errc::hardware_mismatch);
}

Test(tpm_keys, a_tpm_without_the_curve_gives_its_rsa_key) {
  const auto machine = software_tpm();
  int refused = 0;
  const auto tpm = akm::test::faulty_opener(machine->tcti(), [&](TPM2_CC code) -> std::optional<TpmFault> {
    if (code != TPM2_CC_CreatePrimary || refused++ > 0) return std::nullopt;
    return TpmFault{TpmFault::Kind::respond, TPM2_RC_CURVE};
  })();
  const auto key = primary_storage_key(**tpm);
  cr_assert(key.has_value());
  const auto area = public_area_of(**tpm, key->get());
  cr_assert_not(protocol::parse_storage_key(*area)->key.modulus.empty());
}

Test(tpm_keys, what_the_tpm_says_is_told) {
  const auto machine = software_tpm();
  const auto tpm = akm::test::faulty_opener(machine->tcti(), [](TPM2_CC code) -> std::optional<TpmFault> {
    if (code != TPM2_CC_CreatePrimary) return std::nullopt;
    return TpmFault{TpmFault::Kind::respond, TPM2_RC_FAILURE};
  })();
  cr_assert_eq(primary_storage_key(**tpm).error().code, Errc::tpm_failed);
  const std::vector<std::uint8_t> name(34, 1);
  cr_assert_eq(endorsement_key_named(**tpm, name).error().code, Errc::tpm_failed);
}
