#pragma once
// akmctl doctor: the way from this node to its NMM, and what the node's probes see.
#include "tools/akmctl/health.h"
#include "tools/akmctl/machine.h"
#include "tools/akmctl/sighting.h"

namespace akm::ctl {

/// Route, MTU and when the NMM was last heard; nothing of a node that has no NMM, a notice where akmd does
/// not tell.
Checks way_checks(const Machine& machine, const Sighting& sighting);
/// Each detection with its tier, of node and NMM; where neither runs, the tier that the kernel would give.
Checks detection_checks(const Machine& machine, const Sighting* sighting);

}  // namespace akm::ctl
