#pragma once
// OpenMetrics 1.0 text, and the older text format of Prometheus, which is the one that node_exporter's
// textfile collector reads: it knows no "info", and a counter's family has the "_total" of its samples.
// "# EOF" is the caller's, after the last part of OpenMetrics.
#include <cstdint>
#include <string>
#include <vector>

#include "dbus/root_proxy.h"

namespace akm::ctl {

enum class TextFormat : std::uint8_t { openmetrics, prometheus };

std::string node_metrics(const node::StatusSnapshot& status, const std::vector<AsrSnapshot>& asrs,
                         TextFormat format = TextFormat::openmetrics);
std::string nmm_metrics(const nmm::StatusSnapshot& status, const std::vector<nmm::NodeSnapshot>& nodes,
                        TextFormat format = TextFormat::openmetrics);
std::string root_metrics(const root::StatusSnapshot& status, const std::vector<root::NmmSnapshot>& nmms,
                         TextFormat format = TextFormat::openmetrics);
/// A label value with backslash, quote and newline escaped.
std::string escape_label(std::string_view value);

}  // namespace akm::ctl
