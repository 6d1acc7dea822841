// akmctl support-bundle: one archive for who is asked for help.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/base/wall_time.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/doctor.h"
#include "tools/akmctl/support_bundle.h"

namespace akm::ctl {
namespace {

std::string standard_name() {
  return fmt::format("akm-support-{:%Y%m%d-%H%M%S}.tar.gz",
                     fmt::gmtime(static_cast<std::time_t>(wall_time_ns() / 1'000'000'000)));
}

/// Under the names of the archive.
Status make(Session& session, const std::string& out) {
  if (!session.options.host.empty())
    return fail(Errc::invalid_argument, "it is of the machine that it runs on: ssh " + session.options.host +
                                            " akmctl support-bundle");
  AKM_ASSIGN(const std::string path, absolute_path(out.empty() ? standard_name() : out));
  const Machine machine;
  SupportBundle bundle;
  Checks checks = doctor_checks(machine, session);
  for (Check& one : checks) {
    // A sentence about a wrong value may repeat the value.
    if (one.area == "configuration" && one.health == Health::problem)
      one.says = "is not valid, or not there; what is wrong is left out";
  }
  bundle.files.push_back(text_file("doctor.txt", doctor_text(checks)));
  bundle.files.push_back(text_file("doctor.json", doctor_json(checks) + "\n"));
  collect(machine,
          {"/proc/self/exe", "--bus", session.options.bus, "--timeout",
           fmt::format("{}", session.options.timeout_s)},
          bundle);
  AKM_TRY(write_archive(machine, bundle, path));
  nlohmann::ordered_json json{{"path", path}, {"files", nlohmann::json::array()}, {"absent", bundle.absent}};
  std::string text = "The archive is " + path + ", with\n";
  for (const NamedFile& one : bundle.files) {
    json["files"].push_back(one.name);
    text += "  " + one.name + "\n";
  }
  text += "No key, credential or PIN is in it; names and addresses are. README.txt says what was left out.\n";
  for (const std::string& one : bundle.absent) text += "Not there: " + one + "\n";
  say(session, text, json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  return {};
}

}  // namespace

void add_support_command(CLI::App& app, Session& session) {
  const auto out = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand(
      "support-bundle",
      "Makes an archive for who is asked for help: the doctor's report, status, relationships, incidents, "
      "settings, versions, the journal of AKM's units and metrics, with names and addresses of nodes; no "
      "key, "
      "no credential, no PIN, nothing of the state folders");
  sub->add_option("--out", *out, "A new file; akm-support-TIME.tar.gz here where it is not given");
  sub->callback([&session, out] { session.command = [&session, out] { return make(session, *out); }; });
}

}  // namespace akm::ctl
