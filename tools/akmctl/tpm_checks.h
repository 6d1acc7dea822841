#pragma once
// akmctl doctor: the TPM's own word on its health. Three commands of TPM 2.0, part 3, that need no
// authorisation and change nothing; no library, since akmctl uses keys of none.
#include "tools/akmctl/health.h"
#include "tools/akmctl/machine.h"

namespace akm::ctl {

Checks tpm_checks(const Machine& machine);

}  // namespace akm::ctl
