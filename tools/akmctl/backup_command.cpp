// akmctl nmm backup, restore-test, restore.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/base/atomic_file.h"
#include "daemon/base/hex.h"
#include "dbus/limits.h"
#include "dbus/sealed_memfd.h"
#include "tools/akmctl/code_entry.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/confirm.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {
namespace {

using Facts = nmm::ControlPort::BackupFacts;

struct Arguments {
  std::string file, recovery_file;
  bool yes = false;
};

void say_made(const Session& session, const std::string& path) {
  say(session, "The backup is in " + path + ". It opens with the secret that you gave.",
      nlohmann::json{{"path", path}}.dump());
}

/// False where nobody could read it: the backup is of no use then.
bool say_made(const Session& session, const std::string& path, const SecretBuffer& secret) {
  // The secret has only letters, digits and "-": it needs no escapes, and no copy of it is made.
  const std::string before = session.options.json
                                 ? fmt::format(R"({{"path":{},"secret":")", nlohmann::json(path).dump())
                                 : facts({{"Backup", path}}) + "\nRecovery secret: ";
  fmt::print(stdout, "{}", before);
  if (!show_code(secret)) return false;
  fmt::print(stdout, "{}\n",
             session.options.json ? "\"}"
                                  : "\n\nIt is shown this once. Keep it apart from the file: both together "
                                    "are this NMM. Try them with akmctl nmm restore-test.");
  return true;
}

/// A new file: what is there may be the only good backup.
Status backup(Session& session, const Arguments& args) {
  AKM_ASSIGN(const std::string path, absolute_path(args.file));
  if (std::filesystem::exists(path)) return fail(Errc::already_exists, path);
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  UniqueFd own;
  if (!args.recovery_file.empty()) {
    AKM_ASSIGN(own, enter_code(args.recovery_file, kRecoverySecret));
  }
  AKM_ASSIGN(const auto made, proxy->make_backup(own ? &own : nullptr));
  AKM_ASSIGN(const auto bytes, dbus::read_public_memfd(made.file.get(), dbus::limits::kBackupBytes));
  SecretBuffer drawn;
  if (made.secret) {
    AKM_ASSIGN(drawn, read_code(made.secret));
  }
  AKM_TRY(create_file_atomically(path, bytes, 0600));
  if (!made.secret) {
    say_made(session, path);
  } else if (!say_made(session, path, drawn)) {
    (void)std::remove(path.c_str());
    return fail(Errc::io_failed, "the recovery secret could not be shown; the backup was removed again");
  }
  return {};
}

std::string time_text(std::uint64_t unix_s) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(static_cast<std::time_t>(unix_s)));
}

std::string text_of(const Facts& backup) {
  Table nodes({"NODE", "ID", "STATE", "SERIAL"});
  for (const Facts::Node& node : backup.nodes)
    nodes.row({node.name, hex_id(node.id), node.state, std::to_string(node.serial)});
  Table asrs({"ASR", "ID", "GENERATION", "MEMBERS"});
  for (const Facts::Asr& asr : backup.asrs)
    asrs.row({asr.label, hex_id(asr.id), std::to_string(asr.generation), std::to_string(asr.members)});
  return facts({{"NMM", backup.name},
                {"NMM id", hex_id(backup.nmm_id)},
                {"Made", time_text(backup.made_s) + ", by its own clock"},
                {"Starts", std::to_string(backup.incarnation)}}) +
         "\n" + (nodes.empty() ? "No nodes.\n" : nodes.text()) + "\n" +
         (asrs.empty() ? "No relationships.\n" : asrs.text());
}

std::string json_of(const Facts& backup) {
  nlohmann::json out{{"nmm_id", hex_id(backup.nmm_id)},
                     {"name", backup.name},
                     {"made", backup.made_s},
                     {"incarnation", backup.incarnation},
                     {"nodes", nlohmann::json::array()},
                     {"asrs", nlohmann::json::array()}};
  for (const Facts::Node& node : backup.nodes)
    out["nodes"].push_back(
        {{"node_id", hex_id(node.id)}, {"name", node.name}, {"state", node.state}, {"serial", node.serial}});
  for (const Facts::Asr& asr : backup.asrs)
    out["asrs"].push_back({{"asr_id", hex_id(asr.id)},
                           {"label", asr.label},
                           {"generation", asr.generation},
                           {"members", asr.members}});
  return out.dump();
}

Status open_backup(Session& session, const Arguments& args, bool restore) {
  if (restore) {
    AKM_TRY(confirm(args.yes,
                    "this makes this machine the NMM of the backup; the one that made it is not "
                    "heard by its nodes any more"));
  }
  AKM_ASSIGN(const auto bytes, read_file(args.file, dbus::limits::kBackupBytes));
  AKM_ASSIGN(const UniqueFd file, dbus::make_sealed_memfd("akm-nmm-backup", bytes));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const UniqueFd secret, enter_code(args.recovery_file, kRecoverySecret));
  AKM_ASSIGN(const Facts backup, proxy->open_backup(file, secret, restore));
  say(session,
      restore
          ? text_of(backup) +
                "\nTaken over; the daemon starts anew and calls the nodes. When they are back (akmctl nmm "
                "status), make a new backup: this one does not reach them any more."
          : text_of(backup) + "\nThe backup opens, and is whole. Nothing was changed.",
      json_of(backup));
  return {};
}

}  // namespace

void add_backup_commands(CLI::App& nmm, Session& session) {
  const auto args = std::make_shared<Arguments>();
  const auto add = [&](const char* name, const char* help, auto run) {
    CLI::App* command = nmm.add_subcommand(name, help);
    command->add_option("FILE", args->file, "The backup")->required();
    command->callback(
        [&session, args, run] { session.command = [&session, args, run] { return run(session, *args); }; });
    return command;
  };
  add("backup", "Write a sealed backup of an NMM that stands alone", backup)
      ->add_option(
          "--recovery-file", args->recovery_file,
          "Seal with the secret in this file (- is standard input), 16 to 256 bytes; without it one is "
          "drawn and shown");
  const auto opening = [&](CLI::App* command) {
    command->add_option("--recovery-file", args->recovery_file,
                        "Read the recovery secret from here (- is standard input) instead of asking");
    return command;
  };
  opening(add("restore-test", "Open a backup and show what is in it; changes nothing",
              [](Session& s, const Arguments& a) { return open_backup(s, a, false); }));
  opening(add("restore", "Take the place of the NMM that a backup was made of",
              [](Session& s, const Arguments& a) { return open_backup(s, a, true); }))
      ->add_flag("--yes", args->yes, "Without asking");
}

}  // namespace akm::ctl
