#pragma once
// What a TPM says of its own life: resets, restarts, wrong authorisations. Nothing of it is secret, and
// nothing of it is signed: who sits between can lie, and lies that do not fit are what is looked for.
#include <cstdint>
#include <functional>

#include "daemon/base/result.h"
#include "keyring/tpm_context.h"

namespace akm::keyring {

struct TpmClock {
  std::uint64_t clock_ms = 0;         // goes on over resets, begins anew with a clear
  std::uint32_t reset_count = 0;      // TPM resets (power), since the last clear
  std::uint32_t restart_count = 0;    // resumes since the last reset
  bool safe = false;                  // the clock has not gone back
  std::uint32_t lockout_counter = 0;  // wrong authorisations that count
  bool in_lockout = false;
  bool owner_auth_set = false;
  bool lockout_auth_set = false;
};

/// TPM2_ReadClock and the variable properties (TPM2_CAP_TPM_PROPERTIES, TPM2_PT_VAR). tpm_failed.
Result<TpmClock> read_tpm_clock(TpmContext& tpm);

/// How many answers of TPMs failed the check of their session's HMAC in this process.
std::uint64_t tpm_session_failures();
/// For TpmContext: counts `response` if it is one of those.
void count_session_failure(TSS2_RC response);

}  // namespace akm::keyring
