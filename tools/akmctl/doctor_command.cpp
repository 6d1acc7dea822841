// akmctl doctor: looks at the machine and at what the daemons say, also when none of them runs.
#include "tools/akmctl/doctor.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/akmctl/commands.h"
#include "tools/akmctl/install_checks.h"
#include "tools/akmctl/kernel_checks.h"
#include "tools/akmctl/overview.h"
#include "tools/akmctl/screen.h"
#include "tools/akmctl/tpm_checks.h"
#include "tools/akmctl/way_checks.h"

namespace akm::ctl {
namespace {

void take(Checks& out, Checks more) {
  std::ranges::move(more, std::back_inserter(out));
}

Status doctor(Session& session, bool quiet) {
  if (!session.options.host.empty())
    return fail(Errc::invalid_argument, "doctor looks at the machine that it runs on: ssh " +
                                            session.options.host + " akmctl doctor");
  const Checks checks = doctor_checks(Machine(), session);
  say(session, doctor_text(checks, quiet), doctor_json(checks));
  session.outcome = exit_code_of(worst(checks));
  return {};
}

}  // namespace

Checks examine(const Machine& machine, const Sighting* sighting) {
  Checks out = daemon_checks(machine, sighting);
  take(out, kernel_checks(machine));
  take(out, detection_checks(machine, sighting));
  take(out, tpm_checks(machine));
  take(out, keyring_checks(machine));
  take(out, clock_checks(machine));
  if (sighting != nullptr) take(out, way_checks(machine, *sighting));
  take(out, configuration_checks(machine));
  take(out, permission_checks(machine));
  if (sighting == nullptr) {
    out.push_back({"network", "NMM", Health::notice, "not looked at: nobody tells where it is", ""});
    return out;
  }
  take(out, checks_of(*sighting));
  // Said above already, each with its tier.
  std::erase_if(out, [](const Check& one) { return one.name.empty() && one.says.starts_with("Detection "); });
  return out;
}

Checks doctor_checks(const Machine& machine, Session& session) {
  const auto sighting = look_around(session);
  Checks out = examine(machine, sighting ? &*sighting : nullptr);
  if (!sighting) {
    out.insert(out.begin(), {"daemons", "bus", Health::problem, sighting.error().message(),
                             "systemctl start dbus.socket"});
  }
  return out;
}

std::string doctor_text(const Checks& checks, bool quiet) {
  std::string out;
  std::string area;
  for (const Check& one : checks) {
    if (quiet && one.health == Health::good) continue;
    if (one.area != area) out += (out.empty() ? "" : "\n") + paint(Tone::strong, one.area) + "\n";
    area = one.area;
    out += check_text(one);
  }
  return out + (out.empty() ? "" : "\n") + verdict(checks) + ".\n";
}

std::string doctor_json(const Checks& checks) {
  using Json = nlohmann::ordered_json;
  return Json{{"health", health_name(worst(checks))}, {"checks", Json::parse(checks_json(checks))}}.dump();
}

void add_doctor_command(CLI::App& app, Session& session) {
  const auto quiet = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand(
      "doctor", "Looks at kernel, TPM, keyring, network, configuration and daemons of this machine");
  sub->add_flag("-q,--quiet", *quiet, "Only what is not good");
  sub->callback(
      [&session, quiet] { session.command = [&session, quiet] { return doctor(session, *quiet); }; });
}

}  // namespace akm::ctl
