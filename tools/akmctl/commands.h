#pragma once
// One function for each noun of the command line: it adds the subcommands, which set Session::command when
// parsed.
#include <string>

#include "tools/akmctl/session.h"

namespace CLI {
class App;
}

namespace akm::ctl {

void add_status_command(CLI::App& app, Session& session);
void add_doctor_command(CLI::App& app, Session& session);
void add_support_command(CLI::App& app, Session& session);
void add_node_commands(CLI::App& app, Session& session);
void add_nmm_commands(CLI::App& app, Session& session);
void add_root_commands(CLI::App& app, Session& session);
/// Of node, NMM and Root, below their own.
void add_sealing_commands(CLI::App& parent, Session& session, dbus::Service service);
/// Into `nmm`.
void add_lifecycle_commands(CLI::App& nmm, Session& session);
void add_backup_commands(CLI::App& nmm, Session& session);
void add_asr_commands(CLI::App& app, Session& session);
/// Of the group that add_asr_commands() makes.
void add_export_commands(CLI::App& group, Session& session);
void add_member_commands(CLI::App& app, Session& session);
void add_audit_commands(CLI::App& app, Session& session);
void add_monitor_command(CLI::App& app, Session& session);
void add_metrics_command(CLI::App& app, Session& session);
void add_policy_commands(CLI::App& app, Session& session);
/// Into the group that add_policy_commands() makes: those that ask a daemon.
void add_running_policy_commands(CLI::App& group, Session& session);
void add_maintenance_commands(CLI::App& app, Session& session);
/// "90s", "30m", "2h": at most a day. invalid_argument.
Result<std::uint32_t> window_seconds(const std::string& text);
/// A policy file as it is sent: with the drop-ins of its folder, where it has one, merged into it. io_failed,
/// too_large, config_invalid naming file and line.
Result<std::string> policy_text(const std::string& path);

/// All commands and global options, with their examples.
void build(CLI::App& app, Session& session);
/// The whole command line. Does not throw; returns the exit code.
int run(int argc, const char* const* argv);

/// One line on standard output: `json` with --json, else `text`; nothing of an empty one.
void say(const Session& session, const std::string& text, const std::string& json);
/// `path` made absolute and free of "." and "..", as the daemons want it.
Result<std::string> absolute_path(const std::string& path);

}  // namespace akm::ctl
