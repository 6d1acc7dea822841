#pragma once
// What a policy would have done with a recorded incident: the same functions that decide in the daemons.
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/policy/adjudication.h"
#include "daemon/policy/decision.h"
#include "tools/akmctl/incident_file.h"

namespace akm::ctl {

struct SimulatedStep {
  const IncidentRecord* record = nullptr;  // null: a combination that the one before completed
  policy::Judged judged;
  std::string verdict = {};  // of the NMM, where the node would have reported: "evict", ...
  std::string why = {};
};

/// Records in their order; each node has a state of its own. `members`: of the ASR that they are in.
std::vector<SimulatedStep> simulate(const std::vector<IncidentRecord>& records,
                                    const policy::NodePolicy& policy,
                                    const policy::AdjudicationPolicy& recovery, std::size_t members);

}  // namespace akm::ctl
