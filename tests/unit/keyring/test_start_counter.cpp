#include "keyring/start_counter.h"

#include "tests/support/faulty_tcti.h"
#include "tests/support/tpm_bench.h"

using namespace akm;
using namespace akm::keyring;
using namespace akm::test;

Test(start_counter, one_write_a_start) {
  const auto tpm = software_tpm();
  std::uint64_t last = 0;
  for (int start = 0; start < 3; ++start) {
    int writes = 0;
    const auto open = faulty_opener(tpm->tcti(), [&](TPM2_CC code) -> std::optional<TpmFault> {
      writes += code == TPM2_CC_NV_Increment || code == TPM2_CC_NV_Write || code == TPM2_CC_EvictControl;
      return std::nullopt;
    });
    const auto context = open();
    const auto root = storage_root_key(**context, {});
    const auto value = raise_start_counter(**context, *root, kCounterIndex);
    cr_assert(value, "%s", value ? "" : value.error().detail.c_str());
    cr_assert_gt(*value, last);
    last = *value;
    cr_assert_eq(writes, 1);
  }
}
