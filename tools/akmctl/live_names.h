#pragma once
// Names that the daemons on the bus know, and those of the code, for completions.
#include <vector>

#include "tools/akmctl/completion.h"

namespace akm::ctl {

/// Empty for what has no names, and where nobody answers soon: whoever presses a key does not wait. Not asked
/// of another machine, since ssh may ask for a password in the middle of the line.
std::vector<Candidate> names_for(Filler filler, Session& session);

}  // namespace akm::ctl
