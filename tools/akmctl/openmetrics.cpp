#include "tools/akmctl/openmetrics.h"

#include <fmt/format.h>

#include <map>

#include "daemon/base/hex.h"

namespace akm::ctl {
namespace {

// The format wants names of [a-zA-Z0-9_] and "_total" at the end of a counter's sample, not of its family.
std::string family(std::string_view prefix, std::string_view name) {
  std::string out(prefix);
  for (const char c : name) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    out.push_back(good ? c : '_');
  }
  if (out.ends_with("_total")) out.resize(out.size() - 6);
  return out;
}

std::string counters(std::string_view prefix, const std::map<std::string, std::uint64_t>& all) {
  std::string out;
  for (const auto& [name, value] : all) {
    const std::string metric = family(prefix, name);
    out += fmt::format("# TYPE {} counter\n{}_total {}\n", metric, metric, value);
  }
  return out;
}

}  // namespace

std::string escape_label(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out.push_back('\\');
    if (c == '\n') {
      out += "\\n";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string node_metrics(const node::StatusSnapshot& status, const std::vector<AsrSnapshot>& asrs) {
  std::string out = fmt::format(
      "# TYPE akm_node info\nakm_node_info{{version=\"{}\",name=\"{}\",state=\"{}\"}} 1\n"
      "# TYPE akm_node_hardware_protected gauge\nakm_node_hardware_protected {}\n"
      "# TYPE akm_node_findings gauge\nakm_node_findings {}\n",
      escape_label(status.version), escape_label(status.node_name), node::node_state_name(status.state),
      status.hardware_protected ? 1 : 0, status.findings.size());
  out += counters("akm_node_", status.counters);
  for (const char* name : {"generation", "epoch"}) {
    if (!asrs.empty()) out += fmt::format("# TYPE akm_asr_{} gauge\n", name);
    for (const AsrSnapshot& asr : asrs) {
      const std::uint32_t value = name[0] == 'g' ? asr.generation : asr.epoch;
      out += fmt::format("akm_asr_{}{{asr=\"{}\",label=\"{}\"}} {}\n", name, hex_id(asr.id),
                         escape_label(asr.label), value);
    }
  }
  return out;
}

std::string nmm_metrics(const nmm::StatusSnapshot& status, const std::vector<nmm::NodeSnapshot>& nodes) {
  std::string out = fmt::format(
      "# TYPE akm_nmm info\nakm_nmm_info{{version=\"{}\",name=\"{}\",state=\"{}\"}} 1\n"
      "# TYPE akm_nmm_findings gauge\nakm_nmm_findings {}\n",
      escape_label(status.version), escape_label(status.name), escape_label(status.state),
      status.findings.size());
  out += counters("akm_nmm_", status.counters);
  std::map<std::string, std::size_t> states;
  for (const nmm::NodeSnapshot& node : nodes) ++states[node.state];
  if (!states.empty()) out += "# TYPE akm_nmm_nodes gauge\n";
  for (const auto& [state, count] : states)
    out += fmt::format("akm_nmm_nodes{{state=\"{}\"}} {}\n", escape_label(state), count);
  return out;
}

}  // namespace akm::ctl
