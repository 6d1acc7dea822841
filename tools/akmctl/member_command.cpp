#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "daemon/base/hex.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/json.h"
#include "tools/akmctl/names.h"
#include "tools/akmctl/progress.h"

namespace akm::ctl {
namespace {

Status change(Session& session, const std::string& name, Status (dbus::Proxy::*what)(std::uint64_t),
              std::string_view done) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const std::vector<nmm::NodeSnapshot> nodes, proxy->nodes());
  AKM_ASSIGN(const std::uint64_t id, resolve_node(name, nodes));
  AKM_TRY(with_progress(session, of_change(""), [&] { return (proxy->*what)(id); }));
  say(session, fmt::format("'{}' {}.", name, done), json_id("node_id", id));
  return {};
}

}  // namespace

void add_member_commands(CLI::App& app, Session& session) {
  const auto name = std::make_shared<std::string>();
  CLI::App* out = app.add_subcommand(
      "quarantine", "Evict a node: new generations of all its relationships without it (NMM)");
  out->add_option("NODE", *name, "Name or id")->required();
  out->callback([&session, name] {
    session.command = [&session, name] {
      return change(session, *name, &dbus::Proxy::quarantine, "is in quarantine; the others have new keys");
    };
  });
  CLI::App* in =
      app.add_subcommand("readmit", "Say that a node is sound: it comes back into its relationships (NMM)");
  in->add_option("NODE", *name, "Name or id")->required();
  in->callback([&session, name] {
    session.command = [&session, name] {
      return change(session, *name, &dbus::Proxy::readmit, "is back in its relationships");
    };
  });
}

}  // namespace akm::ctl
