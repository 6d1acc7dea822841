#pragma once
// D22: the sources of the hardware value, by name, as digests: serial numbers are nobody's business.
#include "daemon/watch/aside_watch.h"
#include "daemon/watch/watch_memory.h"
#include "keyring/hardware_identity.h"

namespace akm::watch {

Facts hardware_facts(const keyring::HardwareSources& sources);
/// Another endorsement key in a running machine is critical, all else evidence. At the start of the daemon
/// the difference from the last run is evidence: the sealed keys and the hardware value are bound to what
/// they were made with, so such a machine waits for an operator anyway. `memory` outlives the judge.
Judge judge_hardware(WatchMemory& memory);

}  // namespace akm::watch
