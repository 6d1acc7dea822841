// What they wipe is searched for by tests/integration/test_secret_leak.py; here, that they do no harm.
#include "keyring/tpm_traces.h"

#include <criterion/criterion.h>

#include "tests/support/faulty_tcti.h"
#include "tests/support/swtpm_fixture.h"

using namespace akm;
using namespace akm::keyring;

Test(tpm_traces, a_tpm_that_fails_meanwhile_changes_nothing) {
  if (!akm::test::have_swtpm()) cr_skip("%s", akm::test::kNoSwtpm);
  const akm::test::SwTpm machine;
  int asked = 0;
  const auto tpm =
      akm::test::faulty_opener(machine.tcti(), [&](TPM2_CC code) -> std::optional<akm::test::TpmFault> {
        if (code != TPM2_CC_GetRandom) return std::nullopt;
        if (++asked > 1) return akm::test::TpmFault{akm::test::TpmFault::Kind::respond, TPM2_RC_FAILURE};
        return std::nullopt;
      })();
  cr_assert(tpm.has_value());
  cover_last_response(**tpm);
  cover_last_response(**tpm);
  cr_assert_eq(asked, 2, "a response covers the last one");
  wipe_stack_below();
}
