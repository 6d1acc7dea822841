#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "daemon/base/secret.h"
#include "dbus/message.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/completion.h"
#include "tools/akmctl/examples.h"
#include "tools/akmctl/exit_code.h"
#include "tools/akmctl/screen.h"

namespace akm::ctl {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not reachable, 4 not authorised, 5 no answer in time, 6 "
    "not found; of status and doctor also 7 a warning, 8 a problem.\n"
    "Nodes and relationships are given by name, by id (16 hex digits) or by the start of the id.";

void add_global_options(CLI::App& app, GlobalOptions& options) {
  // Not CLI11's envname(): an address in the environment would exclude --host.
  if (const char* const address = std::getenv("AKM_BUS_ADDRESS")) options.bus = address;
  CLI::Option* bus = app.add_option("--bus,--address", options.bus,
                                    "Bus: system, session, unix:path=... or unix:abstract=...")
                         ->take_last()
                         ->capture_default_str();
  app.add_option("-H,--host", options.host, "[USER@]HOST[:PORT] whose system bus is used, over ssh")
      ->excludes(bus);
  app.add_flag("--json", options.json, "Output for programs: one JSON value a line");
  app.add_flag("-q,--quiet", options.quiet, "No progress on the terminal while something takes long");
  app.add_option("--timeout", options.timeout_s, "Seconds to wait for an answer")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  app.set_version_flag("--version", "akmctl " AKM_VERSION);
  app.footer(kFooter);
}

}  // namespace

void say(const Session& session, const std::string& text, const std::string& json) {
  const std::string& line = session.options.json ? json : text;
  if (line.empty()) return;
  fmt::print(stdout, "{}{}", line, line.back() == '\n' ? "" : "\n");
}

Result<std::string> absolute_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  if (error || path.empty())
    return fail(Errc::invalid_argument, "the path '" + path + "' cannot be made absolute");
  std::string text = absolute.lexically_normal().string();
  if (!dbus::is_plain_text(text))
    return fail(Errc::invalid_argument, "a path must be UTF-8 without control characters");
  return text;
}

void build(CLI::App& app, Session& session) {
  app.name("akmctl");
  app.description("Looks at and controls AKM: a node (akmd), an NMM (akm-nmmd) and a Root (akm-rootd).");
  app.require_subcommand(1);
  app.fallthrough();  // global options may stand anywhere
  add_global_options(app, session.options);
  add_status_command(app, session);
  add_doctor_command(app, session);
  add_support_command(app, session);
  add_node_commands(app, session);
  add_nmm_commands(app, session);
  add_root_commands(app, session);
  add_asr_commands(app, session);
  add_member_commands(app, session);
  add_audit_commands(app, session);
  add_monitor_command(app, session);
  add_metrics_command(app, session);
  add_policy_commands(app, session);
  add_maintenance_commands(app, session);
  add_examples(app);
}

int run(int argc, const char* const* argv) {
  // It handles one-time codes: no core file, no ptrace by others of the same user.
  if (const Status hardened = harden_process(); !hardened) return Session::report(hardened.error());
  Session session;
  CLI::App app;
  build(app, session);
  if (argc > 1 && std::string_view(argv[1]) == "__complete") {  // of a shell
    fmt::print(stdout, "{}", text_of(complete(app, session, {argv + 2, argv + argc})));
    return kExitOk;
  }
  screen() = screen_of(STDOUT_FILENO);
  // CLI11 reports by exceptions; they end here.
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  if (!session.command) return kExitUsage;
  const Status status = session.command();
  if (!status) return Session::report(status.error());
  return std::fflush(stdout) == 0 ? session.outcome : kExitFailed;
}

}  // namespace akm::ctl
