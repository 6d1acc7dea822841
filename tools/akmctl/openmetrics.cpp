#include "tools/akmctl/openmetrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "daemon/base/hex.h"
#include "tools/akmctl/metric_table.h"

namespace akm::ctl {
namespace {

using Counters = std::map<std::string, std::uint64_t>;

/// One subject's families, each with all its samples after its head.
class Part {
 public:
  Part(Subject subject, TextFormat format) : subject_(subject), format_(format) {}

  /// `labels`: "" or `reason="late"`.
  void sample(const Metric& metric, const std::string& labels, std::uint64_t value) {
    const std::string name = full_name(subject_, metric.family);
    std::string_view suffix;
    if (metric.kind == MetricKind::counter) suffix = "_total";
    if (metric.kind == MetricKind::info) suffix = "_info";
    if (last_ != name) head(metric, format_ == TextFormat::prometheus ? name + std::string(suffix) : name);
    last_ = name;
    text_ += fmt::format("{}{}{} {}\n", name, suffix, labels.empty() ? "" : "{" + labels + "}", value);
  }
  /// Of those in the table that are made of other properties than the counters.
  void property(std::string_view family, const std::string& labels, std::uint64_t value) {
    const auto all = metric_table();
    const auto at = std::ranges::find_if(all, [&](const Metric& one) {
      return one.family == family && one.of(subject_) && one.source.empty();
    });
    if (at != all.end()) sample(*at, labels, value);
  }
  void counters(Counters all);
  [[nodiscard]] std::string text() && { return std::move(text_); }

 private:
  void head(const Metric& metric, const std::string& name) {
    const bool plain = format_ == TextFormat::prometheus && metric.kind == MetricKind::info;
    if (!metric.help.empty()) text_ += fmt::format("# HELP {} {}\n", name, metric.help);
    text_ += fmt::format("# TYPE {} {}\n", name, kind_name(plain ? MetricKind::gauge : metric.kind));
  }

  Subject subject_;
  TextFormat format_;
  std::string last_;
  std::string text_;
};

// Names are [a-zA-Z0-9_]; what a daemon calls "x_total" has the samples of the counter "x".
std::string alphabet(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!good) c = '_';
  }
  if (out.ends_with("_total")) out.resize(out.size() - 6);
  return out;
}

void Part::counters(Counters all) {
  for (const Metric& metric : metric_table()) {
    if (metric.source.empty() || !metric.of(subject_)) continue;
    const bool several = metric.source.ends_with('_');
    auto at = all.lower_bound(std::string(metric.source));
    while (at != all.end() && (several ? at->first.starts_with(metric.source) : at->first == metric.source)) {
      const std::string value = at->first.substr(metric.source.size());
      sample(metric, several ? fmt::format("{}=\"{}\"", metric.labels, escape_label(value)) : "", at->second);
      at = all.erase(at);
    }
  }
  // Of a newer daemon: better without a description than not at all.
  for (const auto& [name, value] : all) {
    const std::string family = alphabet(name);
    sample({.family = family, .source = {}, .labels = {}, .help = {}}, "", value);
  }
}

template <typename Status>
void facts_of(Part& part, const Status& status, std::string_view name, std::string_view state) {
  part.property("",
                fmt::format("version=\"{}\",name=\"{}\",state=\"{}\"", escape_label(status.version),
                            escape_label(name), escape_label(state)),
                1);
  part.property("hardware_protected", "", status.hardware_protected ? 1 : 0);
  part.property("findings", "", status.findings.size());
}

/// Of an NMM with its nodes, or a Root with its NMMs.
template <typename Status, typename Managed>
std::string manager_metrics(Part part, const Status& status, std::string_view family,
                            const std::vector<Managed>& all) {
  facts_of(part, status, status.name, status.state);
  std::map<std::string, std::size_t> states;
  for (const Managed& one : all) ++states[one.state];
  for (const auto& [state, count] : states)
    part.property(family, fmt::format("state=\"{}\"", escape_label(state)), count);
  part.counters(status.counters);
  return std::move(part).text();
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

std::string node_metrics(const node::StatusSnapshot& status, const std::vector<AsrSnapshot>& asrs,
                         TextFormat format) {
  Part node(Subject::node, format);
  facts_of(node, status, status.node_name, node::node_state_name(status.state));
  node.counters(status.counters);
  Part relationships(Subject::asr, format);
  const auto each = [&](std::string_view family, auto member) {
    for (const AsrSnapshot& asr : asrs) {
      relationships.property(family,
                             fmt::format("asr=\"{}\",label=\"{}\"", hex_id(asr.id), escape_label(asr.label)),
                             asr.*member);
    }
  };
  each("generation", &AsrSnapshot::generation);
  each("epoch", &AsrSnapshot::epoch);
  return std::move(node).text() + std::move(relationships).text();
}

std::string nmm_metrics(const nmm::StatusSnapshot& status, const std::vector<nmm::NodeSnapshot>& nodes,
                        TextFormat format) {
  return manager_metrics({Subject::nmm, format}, status, "nodes", nodes);
}

std::string root_metrics(const root::StatusSnapshot& status, const std::vector<root::NmmSnapshot>& nmms,
                         TextFormat format) {
  return manager_metrics({Subject::root, format}, status, "nmms", nmms);
}

}  // namespace akm::ctl
