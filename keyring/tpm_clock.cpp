#include "keyring/tpm_clock.h"

#include <algorithm>
#include <atomic>
#include <span>

namespace akm::keyring {
namespace {

std::atomic<std::uint64_t> session_failures{0};  // the thread aside counts, the loop thread asks

}  // namespace

Result<TpmClock> read_tpm_clock(TpmContext& tpm) {
  TPMS_TIME_INFO* time_raw = nullptr;
  AKM_TRY(tpm.run("Esys_ReadClock", [&] {
    return Esys_ReadClock(tpm.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &time_raw);
  }));
  const EsysPtr<TPMS_TIME_INFO> time(time_raw);
  TPMS_CAPABILITY_DATA* data_raw = nullptr;
  TPMI_YES_NO more = TPM2_NO;
  AKM_TRY(tpm.run("Esys_GetCapability, variable properties", [&] {
    return Esys_GetCapability(tpm.esys(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES,
                              TPM2_PT_VAR, TPM2_MAX_TPM_PROPERTIES, &more, &data_raw);
  }));
  const EsysPtr<TPMS_CAPABILITY_DATA> data(data_raw);
  TpmClock out;
  out.clock_ms = time->clockInfo.clock;
  out.reset_count = time->clockInfo.resetCount;
  out.restart_count = time->clockInfo.restartCount;
  out.safe = time->clockInfo.safe == TPM2_YES;
  const auto& list = data->data.tpmProperties;
  const std::span properties(list.tpmProperty, std::min<std::size_t>(list.count, TPM2_MAX_TPM_PROPERTIES));
  for (const TPMS_TAGGED_PROPERTY& one : properties) {
    if (one.property == TPM2_PT_LOCKOUT_COUNTER) out.lockout_counter = one.value;
    if (one.property != TPM2_PT_PERMANENT) continue;
    out.in_lockout = (one.value & TPMA_PERMANENT_INLOCKOUT) != 0;
    out.owner_auth_set = (one.value & TPMA_PERMANENT_OWNERAUTHSET) != 0;
    out.lockout_auth_set = (one.value & TPMA_PERMANENT_LOCKOUTAUTHSET) != 0;
  }
  return out;
}

std::uint64_t tpm_session_failures() {
  return session_failures.load(std::memory_order_relaxed);
}

void count_session_failure(TSS2_RC response) {
  if (response == TSS2_ESYS_RC_RSP_AUTH_FAILED) session_failures.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace akm::keyring
