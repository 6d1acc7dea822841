#include "keyring/endorsement_key.h"

#include <criterion/criterion.h>

#include "keyring/tpm_templates.h"
#include "tests/support/faulty_tcti.h"
#include "tests/support/run_program.h"
#include "tests/support/swtpm_fixture.h"

using akm::keyring::endorsement_key_name;
using akm::keyring::TpmContext;
using akm::test::SwTpm;
using akm::test::TpmFault;

namespace {

std::unique_ptr<SwTpm> software_tpm() {
  if (!akm::test::have_swtpm()) cr_skip("%s", akm::test::kNoSwtpm);
  return std::make_unique<SwTpm>();
}

std::string name_at(const SwTpm& tpm) {
  const auto context = TpmContext::open(tpm.tcti());
  cr_assert(context);
  const auto name = endorsement_key_name(**context);
  cr_assert(name, "%s", name.error().message().c_str());
  return *name;
}

}  // namespace

Test(endorsement_key, the_name_stays_over_restarts_and_differs_between_tpms) {
  const auto tpm = software_tpm();
  const auto other = software_tpm();
  const std::string name = name_at(*tpm);
  cr_assert_eq(name.size(), 68);
  cr_assert(name.starts_with("000b"), "%s", name.c_str());
  tpm->restart();
  cr_assert_eq(name_at(*tpm), name);
  cr_assert_neq(name_at(*other), name);
}

Test(endorsement_key, it_is_the_key_that_tpm2_tools_makes) {
  const auto tpm = software_tpm();
  if (!akm::test::have_program("tpm2_createek")) cr_skip("tpm2-tools is not installed");
  const std::string name = name_at(*tpm);
  const std::string context = tpm->folder() + "/ek.ctx";
  const auto made = akm::test::run_program({"tpm2_createek", "-T", tpm->tcti(), "-G", "ecc", "-c", context});
  cr_assert_eq(made.exit_code, 0, "%s", made.output.c_str());
  const auto read = akm::test::run_program({"tpm2_readpublic", "-T", tpm->tcti(), "-c", context});
  cr_assert(read.output.find(name) != std::string::npos, "%s", read.output.c_str());
}

Test(endorsement_key, a_tpm_without_the_curve_gives_its_rsa_key) {
  const auto tpm = software_tpm();
  int refused = 0;
  const auto context = akm::test::faulty_opener(tpm->tcti(), [&](TPM2_CC code) -> std::optional<TpmFault> {
    if (code != TPM2_CC_CreatePrimary || refused++ > 0) return std::nullopt;
    return TpmFault{TpmFault::Kind::respond, TPM2_RC_CURVE};
  })();
  cr_assert(context);
  const auto name = endorsement_key_name(**context);
  cr_assert(name, "%s", name.error().message().c_str());
  cr_assert_eq(refused, 2);
}

Test(endorsement_key, with_a_locked_hierarchy_the_persistent_key_is_taken) {
  const auto tpm = software_tpm();
  const std::string name = name_at(*tpm);
  {
    const auto context = TpmContext::open(tpm->tcti());
    cr_assert(context);
    ESYS_CONTEXT* esys = (*context)->esys();
    const auto made =
        (*context)->create_primary(ESYS_TR_RH_ENDORSEMENT, akm::keyring::endorsement_template_ecc(), "EK");
    cr_assert(made);
    ESYS_TR persistent = ESYS_TR_NONE;
    cr_assert_eq(Esys_EvictControl(esys, ESYS_TR_RH_OWNER, made->get(), ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                   ESYS_TR_NONE, 0x81010002, &persistent),
                 TSS2_RC_SUCCESS);
    TPM2B_AUTH auth{};
    auth.size = 1;
    auth.buffer[0] = 'x';
    cr_assert_eq(Esys_HierarchyChangeAuth(esys, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                          ESYS_TR_NONE, &auth),
                 TSS2_RC_SUCCESS);
  }
  cr_assert_eq(name_at(*tpm), name);
}

Test(endorsement_key, nothing_to_be_had_is_an_error) {
  const auto tpm = software_tpm();
  const auto context = akm::test::faulty_opener(tpm->tcti(), [](TPM2_CC code) -> std::optional<TpmFault> {
    if (code == TPM2_CC_GetCapability) return std::nullopt;
    return TpmFault{TpmFault::Kind::respond, TPM2_RC_FAILURE};
  })();
  cr_assert(context);
  cr_assert(endorsement_key_name(**context).error().code == akm::Errc::tpm_failed);
}
