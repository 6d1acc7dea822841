#include <CLI/CLI.hpp>

#include "tools/akmctl/commands.h"
#include "tools/akmctl/openmetrics.h"

namespace akm::ctl {
namespace {

Status metrics(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.connect());
  AKM_ASSIGN(const bool node, proxy->is_there(dbus::Service::node));
  AKM_ASSIGN(const bool nmm, proxy->is_there(dbus::Service::nmm));
  if (!node && !nmm) {
    AKM_ASSIGN([[maybe_unused]] const dbus::Service service, session.either());  // its error says what to do
  }
  std::string text;
  if (node) {
    AKM_ASSIGN(const node::StatusSnapshot status, proxy->node_status());
    AKM_ASSIGN(const std::vector<AsrSnapshot> asrs, proxy->asrs(dbus::Service::node));
    text += node_metrics(status, asrs);
  }
  if (nmm) {
    AKM_ASSIGN(const nmm::StatusSnapshot status, proxy->nmm_status());
    AKM_ASSIGN(const std::vector<nmm::NodeSnapshot> nodes, proxy->nodes());
    text += nmm_metrics(status, nodes);
  }
  text += "# EOF\n";
  say(session, text, text);  // the format is for programs already
  return {};
}

}  // namespace

void add_metrics_command(CLI::App& app, Session& session) {
  app.add_subcommand("metrics", "Counters of node and NMM on this bus as OpenMetrics text")
      ->callback([&session] { session.command = [&session] { return metrics(session); }; });
}

}  // namespace akm::ctl
