#include "keyring/tpm_clock.h"

#include <criterion/criterion.h>

#include <algorithm>

#include "tests/support/tpm_bench.h"

using namespace akm;
using namespace akm::keyring;
using akm::test::context_at;
using akm::test::software_tpm;

Test(tpm_clock, tells_of_a_reset_and_of_a_wrong_authorisation) {
  const auto tpm = software_tpm();
  const auto before = read_tpm_clock(*context_at(*tpm));
  cr_assert(before.has_value());
  cr_assert_not(before->in_lockout);
  cr_assert_not(before->owner_auth_set);
  cr_assert_eq(before->lockout_counter, test::lockout_counter(*tpm));

  const auto context = context_at(*tpm);
  TPM2B_AUTH owner{};
  owner.size = 4;
  std::fill_n(owner.buffer, owner.size, 0x61);  // zeros at its end would not count
  cr_assert_eq(Esys_HierarchyChangeAuth(context->esys(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                        ESYS_TR_NONE, &owner),
               TSS2_RC_SUCCESS);
  const auto after = read_tpm_clock(*context);
  cr_assert(after.has_value());
  cr_assert(after->owner_auth_set);
  cr_assert_geq(after->clock_ms, before->clock_ms);
  cr_assert_eq(after->reset_count, before->reset_count);
}

Test(tpm_clock, counts_answers_that_fail_the_check_of_their_session) {
  const std::uint64_t before = tpm_session_failures();
  count_session_failure(TSS2_RC_SUCCESS);
  count_session_failure(TPM2_RC_FAILURE);
  cr_assert_eq(tpm_session_failures(), before);
  count_session_failure(TSS2_ESYS_RC_RSP_AUTH_FAILED);
  cr_assert_eq(tpm_session_failures(), before + 1);
}
