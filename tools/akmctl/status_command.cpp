// akmctl status: is it well, and if not, what do I do.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "tools/akmctl/commands.h"
#include "tools/akmctl/overview.h"

namespace akm::ctl {
namespace {

Status status(Session& session) {
  AKM_ASSIGN(const Sighting sighting, look_around(session));
  if (sighting.nothing()) {
    std::string why = fmt::format("no daemon of AKM is {}", session.place());
    for (const std::string& one : sighting.untold) why += "; " + one;
    return fail(Errc::unreachable, why + "; start one (systemctl start akmd), or see akmctl doctor");
  }
  const Checks checks = checks_of(sighting);
  say(session, overview_text(sighting, checks), overview_json(sighting, checks));
  session.outcome = exit_code_of(worst(checks));
  return {};
}

}  // namespace

void add_status_command(CLI::App& app, Session& session) {
  app.add_subcommand("status", "Whether all is well on this machine, and what to do if not")
      ->callback([&session] { session.command = [&session] { return status(session); }; });
}

}  // namespace akm::ctl
