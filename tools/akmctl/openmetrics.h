#pragma once
// OpenMetrics 1.0 text. "# EOF" is the caller's, after the last part.
#include <string>
#include <vector>

#include "dbus/proxy.h"

namespace akm::ctl {

std::string node_metrics(const node::StatusSnapshot& status, const std::vector<AsrSnapshot>& asrs);
std::string nmm_metrics(const nmm::StatusSnapshot& status, const std::vector<nmm::NodeSnapshot>& nodes);
/// A label value with backslash, quote and newline escaped.
std::string escape_label(std::string_view value);

}  // namespace akm::ctl
