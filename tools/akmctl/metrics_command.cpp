#include <CLI/CLI.hpp>
#include <memory>

#include "daemon/base/atomic_file.h"
#include "dbus/root_proxy.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/openmetrics.h"

namespace akm::ctl {
namespace {

constexpr std::uint32_t kTextfileMode = 0644;  // node_exporter is another user

/// All or nothing: half of it would look like counters that went back.
Result<std::string> gathered(Session& session, TextFormat format) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.connect());
  AKM_ASSIGN(const bool node, proxy->is_there(dbus::Service::node));
  AKM_ASSIGN(const bool nmm, proxy->is_there(dbus::Service::nmm));
  AKM_ASSIGN(const bool root, proxy->is_there(dbus::Service::root));
  if (!node && !nmm && !root)
    return fail(Errc::unreachable, "no daemon of AKM is " + session.place() + "; start one");
  std::string text;
  if (node) {
    AKM_ASSIGN(const node::StatusSnapshot status, proxy->node_status());
    AKM_ASSIGN(const std::vector<AsrSnapshot> asrs, proxy->asrs(dbus::Service::node));
    text += node_metrics(status, asrs, format);
  }
  if (nmm) {
    AKM_ASSIGN(const nmm::StatusSnapshot status, proxy->nmm_status());
    AKM_ASSIGN(const std::vector<nmm::NodeSnapshot> nodes, proxy->nodes());
    text += nmm_metrics(status, nodes, format);
  }
  if (root) {
    dbus::RootProxy records(*proxy);
    AKM_ASSIGN(const root::StatusSnapshot status, records.status());
    AKM_ASSIGN(const std::vector<root::NmmSnapshot> nmms, records.nmms());
    text += root_metrics(status, nmms, format);
  }
  return text;
}

Status metrics(Session& session) {
  AKM_ASSIGN(std::string text, gathered(session, TextFormat::openmetrics));
  text += "# EOF\n";
  say(session, text, text);  // the format is for programs already
  return {};
}

Status to_textfile(Session& session, const std::string& file) {
  if (!file.ends_with(".prom")) {
    return fail(Errc::invalid_argument, "node_exporter reads files whose names end with .prom");
  }
  AKM_ASSIGN(const std::string path, absolute_path(file));
  AKM_ASSIGN(const std::string text, gathered(session, TextFormat::prometheus));
  return write_file_atomically(path, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()},
                               kTextfileMode);
}

}  // namespace

void add_metrics_command(CLI::App& app, Session& session) {
  const auto file = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand(
      "metrics", "Counters of node, NMM and Root on this bus as OpenMetrics text (docs/metrics.md)");
  sub->add_option("--textfile", *file,
                  "Write them into this file (.prom) for node_exporter's textfile collector");
  sub->callback([&session, file] {
    session.command = [&session, file] {
      return file->empty() ? metrics(session) : to_textfile(session, *file);
    };
  });
}

}  // namespace akm::ctl
