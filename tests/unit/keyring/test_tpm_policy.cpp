#include "keyring/tpm_policy.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <array>

#include "daemon/base/hex.h"
#include "tests/support/faulty_tcti.h"
#include "tests/support/swtpm_fixture.h"

using akm::Errc;
using akm::keyring::differing_pcrs;
using akm::keyring::pcr_mask;
using akm::keyring::pcr_policy_digest;
using akm::keyring::pcr_selection;
using akm::keyring::read_pcrs;
using akm::keyring::TpmContext;
using Bytes = std::vector<std::uint8_t>;

Test(tpm_policy, masks) {
  cr_assert_eq(*pcr_mask({}), 0);
  cr_assert_eq(*pcr_mask(std::array<std::uint32_t, 4>{0, 7, 23, 7}), 0x800081);
  cr_assert(pcr_mask(std::array<std::uint32_t, 1>{24}).error().code == Errc::invalid_argument);
  cr_assert(!pcr_mask(std::array<std::uint32_t, 1>{0xFFFFFFFF}));
}

Test(tpm_policy, selections_are_three_octets_lowest_pcr_first) {
  const TPML_PCR_SELECTION selection = pcr_selection(0x800181);
  cr_assert_eq(selection.count, 1);
  cr_assert_eq(selection.pcrSelections[0].hash, TPM2_ALG_SHA256);
  cr_assert_eq(selection.pcrSelections[0].sizeofSelect, 3);
  cr_assert_eq(selection.pcrSelections[0].pcrSelect[0], 0x81);
  cr_assert_eq(selection.pcrSelections[0].pcrSelect[1], 0x01);
  cr_assert_eq(selection.pcrSelections[0].pcrSelect[2], 0x80);
}

Test(tpm_policy, differing_pcrs_are_named) {
  Bytes then(96, 1);
  Bytes now = then;
  const std::uint32_t mask = 1U << 4 | 1U << 7 | 1U << 11;
  cr_assert_eq(differing_pcrs(mask, then, now), "");
  now[32] = 2;
  const auto text = [](std::uint8_t first, std::uint8_t rest) {
    std::string out = akm::hex(std::array{first});
    for (int i = 1; i < 32; ++i) out += akm::hex(std::array{rest});
    return out;
  };
  cr_assert_eq(differing_pcrs(mask, then, now), "PCR 7 is " + text(2, 1) + " and was " + text(1, 1));
  now[95] = 2;
  cr_assert(differing_pcrs(mask, then, now).contains(", PCR 11 is 0101"));
  cr_assert_eq(differing_pcrs(mask, then, Bytes(95, 1)), "", "lists of another length are not compared");
}

// Our computation against the TPM's own, in a trial session.
Test(tpm_policy, the_digest_is_the_one_that_the_tpm_computes) {
  if (!akm::test::have_swtpm()) cr_skip("%s", akm::test::kNoSwtpm);
  const akm::test::SwTpm tpm;
  const auto context = TpmContext::open(tpm.tcti());
  cr_assert(context);
  for (const std::uint32_t mask : {1U << 7, 1U << 0 | 1U << 7 | 1U << 16, 0xFFFFFFU}) {
    const auto values = read_pcrs(**context, mask);
    cr_assert(values, "%s", values.error().message().c_str());
    TPMT_SYM_DEF symmetric{};
    symmetric.algorithm = TPM2_ALG_NULL;
    ESYS_TR session = ESYS_TR_NONE;
    ESYS_CONTEXT* esys = (*context)->esys();
    cr_assert_eq(
        Esys_StartAuthSession(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                              nullptr, TPM2_SE_TRIAL, &symmetric, TPM2_ALG_SHA256, &session),
        TSS2_RC_SUCCESS);
    const TPM2B_DIGEST present{};
    const TPML_PCR_SELECTION selection = pcr_selection(mask);
    cr_assert_eq(
        Esys_PolicyPCR(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &present, &selection),
        TSS2_RC_SUCCESS);
    TPM2B_DIGEST* raw = nullptr;
    cr_assert_eq(Esys_PolicyGetDigest(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &raw),
                 TSS2_RC_SUCCESS);
    const akm::keyring::EsysPtr<TPM2B_DIGEST> digest(raw);
    const TPM2B_DIGEST computed = pcr_policy_digest(mask, *values);
    cr_assert_eq(computed.size, digest->size);
    cr_assert(std::equal(computed.buffer, computed.buffer + computed.size, digest->buffer), "mask %06x",
              mask);
    (void)Esys_FlushContext(esys, session);
  }
}

Test(tpm_policy, all_pcrs_are_read_over_several_calls) {
  if (!akm::test::have_swtpm()) cr_skip("%s", akm::test::kNoSwtpm);
  const akm::test::SwTpm tpm;
  const auto context = TpmContext::open(tpm.tcti());
  cr_assert(context);
  const auto values = read_pcrs(**context, 0xFFFFFF);
  cr_assert(values);
  cr_assert_eq(values->size(), 24 * 32);
  // After a start PCRs 0 to 16 and 23 are zero, 17 to 22 (dynamic root of trust) all ones.
  cr_assert_eq((*values)[16 * 32], 0);
  cr_assert_eq((*values)[17 * 32], 0xFF);
  cr_assert_eq((*values)[22 * 32 + 31], 0xFF);
  cr_assert_eq((*values)[23 * 32], 0);
  cr_assert(read_pcrs(**context, 0)->empty());
}

Test(tpm_policy, a_failing_read_is_an_error) {
  if (!akm::test::have_swtpm()) cr_skip("%s", akm::test::kNoSwtpm);
  const akm::test::SwTpm tpm;
  const auto open =
      akm::test::faulty_opener(tpm.tcti(), [](TPM2_CC code) -> std::optional<akm::test::TpmFault> {
        if (code != TPM2_CC_PCR_Read) return std::nullopt;
        return akm::test::TpmFault{akm::test::TpmFault::Kind::respond, TPM2_RC_FAILURE};
      });
  const auto context = open();
  cr_assert(context);
  const auto values = read_pcrs(**context, 1);
  cr_assert(!values);
  cr_assert(values.error().code == Errc::tpm_failed);
}
