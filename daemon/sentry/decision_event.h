#pragma once
// A detection and what was decided on it, as each role tells it.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/policy/decision.h"

namespace akm::sentry {

bool wants(const policy::Decision& decision, policy::Response response);
std::string names_of(const std::vector<policy::Response>& responses);

/// With all that is known; `subject` names the fields that tell who did it. `incident` 0: none.
EventRecord decision_event(std::string name, const policy::Detection& detection,
                           const policy::Decision& decision, std::uint64_t incident);
/// For the program of the response hook: names and numbers, nobody else's text. `node_id`: in hex, or empty.
std::map<std::string, std::string> hook_environment(const policy::Detection& detection,
                                                    const policy::Decision& decision,
                                                    const std::string& node_id);

}  // namespace akm::sentry
