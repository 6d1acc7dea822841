#include "keyring/tpm_context.h"

#include <criterion/criterion.h>

#include "keyring/tpm_templates.h"
#include "tests/support/faulty_tcti.h"
#include "tests/support/swtpm_fixture.h"

using akm::Errc;
using akm::keyring::is_tpm_code;
using akm::keyring::kTpmSubmissionsMax;
using akm::keyring::tpm_error;
using akm::keyring::TpmContext;
using akm::keyring::TpmHandle;
using akm::test::SwTpm;
using akm::test::TpmFault;

namespace {

UINT32 count_of(TpmContext& tpm, UINT32 property) {
  TPMS_CAPABILITY_DATA* raw = nullptr;
  TPMI_YES_NO more = 0;
  cr_assert_eq(Esys_GetCapability(tpm.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                  TPM2_CAP_TPM_PROPERTIES, property, 1, &more, &raw),
               TSS2_RC_SUCCESS);
  const akm::keyring::EsysPtr<TPMS_CAPABILITY_DATA> data(raw);
  return data->data.tpmProperties.tpmProperty[0].value;
}

std::unique_ptr<SwTpm> software_tpm() {
  if (!akm::test::have_swtpm()) cr_skip("%s", akm::test::kNoSwtpm);
  return std::make_unique<SwTpm>();
}

}  // namespace

Test(tpm_context, codes_are_told_apart_without_their_numbers) {
  cr_assert(is_tpm_code(TPM2_RC_RETRY, TPM2_RC_RETRY));
  cr_assert(is_tpm_code(TSS2_RESMGR_TPM_RC_LAYER | TPM2_RC_RETRY, TPM2_RC_RETRY));
  cr_assert(is_tpm_code(TPM2_RC_HANDLE | TPM2_RC_1, TPM2_RC_HANDLE), "a handle's number");
  cr_assert(is_tpm_code(TPM2_RC_VALUE | TPM2_RC_P | TPM2_RC_2, TPM2_RC_VALUE), "a parameter's number");
  cr_assert(is_tpm_code(TPM2_RC_POLICY_FAIL | TPM2_RC_S | TPM2_RC_1, TPM2_RC_POLICY_FAIL),
            "a session's number");
  cr_assert(!is_tpm_code(TPM2_RC_LOCKOUT, TPM2_RC_RETRY));
  cr_assert(!is_tpm_code(TSS2_TCTI_RC_IO_ERROR, TPM2_RC_RETRY));
  cr_assert(!is_tpm_code(TSS2_ESYS_RC_TRY_AGAIN, TPM2_RC_INITIALIZE),
            "a code of the library is none of the TPM");
}

Test(tpm_context, errors_are_decoded) {
  const auto error = tpm_error("Esys_Unseal", TPM2_RC_LOCKOUT).error();
  cr_assert(error.code == Errc::tpm_failed);
  cr_assert(error.detail.starts_with("Esys_Unseal: tpm:"), "%s", error.detail.c_str());
  cr_assert(error.detail.find("0x00000921") != std::string::npos);
  cr_assert(error.detail.find("lockout") != std::string::npos);
  cr_assert(tpm_error("x", TPM2_RC_RETRY).error().detail.find("clear-lockout") == std::string::npos);
}

Test(tpm_context, no_tpm_is_an_error_that_names_the_tcti) {
  for (const char* tcti :
       {"swtpm:path=/nonexistent/tpm.sock", "device:/nonexistent/tpm0", "nonsense:x", ""}) {
    const auto context = TpmContext::open(tcti);
    if (*tcti == '\0' && context) continue;  // the library's own search may find one
    cr_assert(!context, "%s", tcti);
    cr_assert(context.error().code == Errc::tpm_failed);
    cr_assert(context.error().detail.find(tcti) != std::string::npos);
  }
}

Test(tpm_context, properties_are_read_once) {
  const auto tpm = software_tpm();
  const auto context = TpmContext::open(tpm->tcti());
  cr_assert(context, "%s", context.error().message().c_str());
  cr_assert_eq((*context)->properties().manufacturer, "IBM");
  cr_assert_eq((*context)->properties().vendor, "SW   TPM");
  cr_assert_eq((*context)->properties().firmware.size(), 17);
}

Test(tpm_context, handles_flush_themselves) {
  const auto tpm = software_tpm();
  const auto opened = TpmContext::open(tpm->tcti());
  cr_assert(opened);
  TpmContext& context = **opened;
  const UINT32 free_before = count_of(context, TPM2_PT_HR_TRANSIENT_AVAIL);
  const UINT32 sessions_before = count_of(context, TPM2_PT_HR_ACTIVE);
  // Far more than a TPM can hold at a time.
  for (int i = 0; i < 10; ++i) {
    const auto primary =
        context.create_primary(ESYS_TR_RH_OWNER, akm::keyring::storage_template_ecc(), "primary");
    cr_assert(primary, "%s", primary.error().message().c_str());
    const auto session = context.start_session(TPM2_SE_HMAC, primary->get(), TPMA_SESSION_ENCRYPT);
    cr_assert(session, "%s", session.error().message().c_str());
    TpmHandle moved;
    cr_assert(!moved);
  }
  cr_assert_eq(count_of(context, TPM2_PT_HR_TRANSIENT_AVAIL), free_before);
  cr_assert_eq(count_of(context, TPM2_PT_HR_ACTIVE), sessions_before);
}

Test(tpm_context, a_moved_handle_is_flushed_once) {
  const auto tpm = software_tpm();
  const auto context = TpmContext::open(tpm->tcti());
  auto primary =
      (*context)->create_primary(ESYS_TR_RH_OWNER, akm::keyring::storage_template_ecc(), "primary");
  cr_assert(primary);
  TpmHandle first = std::move(*primary);
  cr_assert(!*primary);
  TpmHandle second;
  second = std::move(first);
  cr_assert(!first);
  cr_assert(second);
  second.reset();
  second.reset();
  cr_assert(!second);
  cr_assert_eq(count_of(**context, TPM2_PT_HR_TRANSIENT_AVAIL), 3);
}

Test(tpm_context, what_is_not_there_is_not_found) {
  const auto tpm = software_tpm();
  const auto context = TpmContext::open(tpm->tcti());
  cr_assert((*context)->find(0x81000001, "key").error().code == Errc::not_found);
  cr_assert((*context)->find(0x01800A4B, "index").error().code == Errc::not_found);
}

Test(tpm_context, resubmission_is_bounded_and_passes_other_errors_on) {
  const auto tpm = software_tpm();
  const auto context = TpmContext::open(tpm->tcti());
  cr_assert(context);
  int calls = 0;
  cr_assert_eq((*context)->submit([&] { return ++calls < 3 ? TSS2_RC{TPM2_RC_RETRY} : TSS2_RC_SUCCESS; }),
               TSS2_RC_SUCCESS);
  cr_assert_eq(calls, 3);
  calls = 0;
  cr_assert_eq((*context)->submit([&] { return ++calls, TSS2_RC{TPM2_RC_TESTING}; }), TPM2_RC_TESTING);
  cr_assert_eq(calls, kTpmSubmissionsMax);
  calls = 0;
  cr_assert_eq((*context)->submit([&] { return ++calls, TSS2_RC{TPM2_RC_LOCKOUT}; }), TPM2_RC_LOCKOUT);
  cr_assert_eq(calls, 1);
}

Test(tpm_context, a_dead_connection_fails_at_once_and_a_new_one_works) {
  const auto tpm = software_tpm();
  const auto broken = akm::test::faulty_opener(tpm->tcti(), [](TPM2_CC code) -> std::optional<TpmFault> {
    if (code == TPM2_CC_GetCapability) return std::nullopt;
    return TpmFault{TpmFault::Kind::transmit_error, 0};
  })();
  cr_assert(broken, "%s", broken.error().message().c_str());
  cr_assert(!(*broken)->create_primary(ESYS_TR_RH_OWNER, akm::keyring::storage_template_ecc(), "primary"));
  const auto whole = TpmContext::open(tpm->tcti());
  cr_assert(whole);
  cr_assert((*whole)->create_primary(ESYS_TR_RH_OWNER, akm::keyring::storage_template_ecc(), "primary"));
}

Test(tpm_context, a_tpm_that_fails_its_first_answer_is_no_context) {
  const auto tpm = software_tpm();
  const auto context = akm::test::faulty_opener(tpm->tcti(), [](TPM2_CC) -> std::optional<TpmFault> {
    return TpmFault{TpmFault::Kind::respond, TPM2_RC_FAILURE};
  })();
  cr_assert(!context);
  cr_assert(context.error().code == Errc::tpm_failed);
}
