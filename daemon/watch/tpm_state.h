#pragma once
// D9 and D23 as far as the TPM itself tells: lockout, a clear, authorisations that changed, and a reset
// without a boot of the machine, which is what an interposer or a pulled chip looks like.
#include <string>

#include "daemon/watch/aside_watch.h"
#include "daemon/watch/watch_memory.h"
#include "keyring/tpm_clock.h"

namespace akm::watch {

/// What goes with the clock: which boot this is, and how long the machine has slept since.
struct BootState {
  std::string boot_id;
  std::int64_t slept_s = 0;
  std::string null_name;  // of the kernel's own session key (6.10); empty before
};
BootState this_boot();

Facts tpm_facts(const keyring::TpmClock& clock, std::uint64_t session_failures, const BootState& boot);
/// `memory`: of the last run, compared at the first look. It outlives the judge.
Judge judge_tpm(WatchMemory& memory);

}  // namespace akm::watch
