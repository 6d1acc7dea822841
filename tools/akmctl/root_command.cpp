#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "daemon/base/hex.h"
#include "dbus/root_proxy.h"
#include "tools/akmctl/age.h"
#include "tools/akmctl/code_entry.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/names.h"
#include "tools/akmctl/root_commands.h"
#include "tools/akmctl/root_json.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {

Result<dbus::RootProxy> reach_root(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::root));
  return dbus::RootProxy(*proxy);
}

Result<std::uint64_t> resolve_nmm(std::string_view text, const std::vector<root::NmmSnapshot>& nmms) {
  std::vector<Named> all;
  all.reserve(nmms.size());
  for (const root::NmmSnapshot& nmm : nmms) all.push_back({nmm.nmm_id, nmm.name});
  return resolve(text, "NMM", all);
}

namespace {

std::string status_text(const root::StatusSnapshot& s) {
  std::string out = facts({
      {"State", s.state},
      {"Root", s.name},
      {"Root id", s.root_id == 0 ? "" : hex_id(s.root_id)},
      {"Listens on", s.listen},
      {"Database", s.database},
      {"Revision", std::to_string(s.revision)},
      {"Key storage", s.key_storage + (s.hardware_protected ? "" : "  [NOT PROTECTED BY HARDWARE]")},
      {"Starts", std::to_string(s.incarnation)},
      {"Input/output", s.io_backend},
      {"Version", s.version},
  });
  out += s.findings.empty() ? "\nNothing is degraded.\n" : "\nFindings:\n";
  for (const std::string& finding : s.findings) out += "  - " + finding + "\n";
  return out;
}

Status show_status(Session& session) {
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  AKM_ASSIGN(const root::StatusSnapshot status, root.status());
  say(session, status_text(status), json_of(status));
  return {};
}

Status init(Session& session) {
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  AKM_TRY(root.create_root_secret());
  AKM_ASSIGN(const root::StatusSnapshot status, root.status());
  say(session,
      fmt::format("The secret of the domain is made and sealed; this Root is {}.", hex_id(status.root_id)),
      json_of(status));
  return {};
}

Status list_nmms(Session& session) {
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  AKM_ASSIGN(const std::vector<root::NmmSnapshot> nmms, root.nmms());
  Table table({"NMM", "ID", "STATE", "SERIAL", "ENDPOINT", "HEARD", "NODES", "ASRS", "VERSION"});
  const std::int64_t now = boottime_now().ns;
  for (const root::NmmSnapshot& nmm : nmms) {
    const std::string heard = age(nmm.last_heard_ns, now);
    table.row({nmm.name, hex_id(nmm.nmm_id), nmm.state, std::to_string(nmm.serial), nmm.endpoint,
               heard.empty() ? "never" : heard + " ago", std::to_string(nmm.nodes), std::to_string(nmm.asrs),
               nmm.version});
  }
  say(session, table.empty() ? "There are no NMMs yet." : table.text(), json_of(nmms));
  return {};
}

struct Arguments {
  std::string name, adopt, hardware_value, directory, bus_address;
  std::vector<std::string> endpoints;
};

Result<std::vector<std::uint8_t>> hardware_value(const std::string& text) {
  auto value = parse_hex(text);
  if (!value || value->size() != 32)
    return fail(Errc::invalid_argument, "--hardware-value has 64 hex digits (akmctl nmm identity)");
  return value;
}

// As 'akmctl nmm prepare' shows it: the code is written straight from the secret memory.
Status show_prepared(const Session& session, const std::string& name,
                     const dbus::RootProxy::Prepared& prepared) {
  AKM_ASSIGN(const SecretBuffer code, read_code(prepared.code));
  if (session.options.json) {
    std::string line = json_id("nmm_id", prepared.nmm_id);
    line.pop_back();
    fmt::print(stdout, "{},\"path\":\"{}\",\"code\":\"", line, json_escaped(prepared.path));
    show_code(code);
    fmt::print(stdout, "\"}}\n");
    return {};
  }
  fmt::print(stdout, "{}\nOne-time code: ",
             facts({{"NMM", name}, {"NMM id", hex_id(prepared.nmm_id)}, {"Bundle", prepared.path}}));
  show_code(code);
  fmt::print(stdout, "\n\nIt is shown this once and opens the bundle once. Carry it apart from the file.\n");
  return {};
}

Status prepare(Session& session, const Arguments& args) {
  dbus::RootProxy::Prepare what;
  what.nmm_name = args.name;
  what.nmm_endpoints = args.endpoints;
  AKM_ASSIGN(what.hardware_value, hardware_value(args.hardware_value));
  if (!args.adopt.empty()) {
    AKM_ASSIGN(what.nmm_id, parse_hex_id(args.adopt));
  }
  AKM_ASSIGN(const std::string directory, absolute_path(args.directory));
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  AKM_ASSIGN(const auto prepared, root.prepare_nmm(what, directory));
  return show_prepared(session, args.name, prepared);
}

Status provision(Session& session, const Arguments& args) {
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  dbus::RootProxy::Prepare what;
  what.nmm_name = args.name;
  what.nmm_endpoints = args.endpoints;
  AKM_ASSIGN(const std::uint64_t id, root.provision_nmm(what, args.bus_address));
  say(session, fmt::format("Provisioned '{}' ({}) over its bus.", args.name, hex_id(id)),
      json_id("nmm_id", id));
  return {};
}

Status replace(Session& session, const Arguments& args) {
  if (args.directory.empty() == args.bus_address.empty())
    return fail(Errc::invalid_argument, "say either --to and --hardware-value, or --bus-address");
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  AKM_ASSIGN(const auto nmms, root.nmms());
  AKM_ASSIGN(const std::uint64_t id, resolve_nmm(args.name, nmms));
  if (!args.bus_address.empty()) {
    AKM_ASSIGN(const std::uint64_t replaced, root.replace_nmm_direct(id, args.bus_address));
    say(session, fmt::format("The new machine of '{}' has its credentials.", args.name),
        json_id("nmm_id", replaced));
    return {};
  }
  AKM_ASSIGN(const auto value, hardware_value(args.hardware_value));
  AKM_ASSIGN(const std::string directory, absolute_path(args.directory));
  AKM_ASSIGN(const auto prepared, root.replace_nmm(id, value, directory));
  return show_prepared(session, args.name, prepared);
}

void add_nmm_subcommands(CLI::App* root, Session& session) {
  const auto args = std::make_shared<Arguments>();
  CLI::App* nmm = root->add_subcommand("nmm", "Credentials of NMMs")->require_subcommand(1);
  CLI::App* bundle = nmm->add_subcommand("prepare", "Make credentials for an NMM as a bundle file");
  bundle->add_option("NAME", args->name, "Name of the NMM")->required();
  bundle->add_option("--hardware-value", args->hardware_value, "What 'akmctl nmm identity' shows there")
      ->required();
  bundle->add_option("--adopt", args->adopt, "Id of an NMM that stands alone and is adopted");
  bundle->add_option("--endpoint", args->endpoints, "ADDRESS:PORT where the NMM is reached; may be repeated");
  bundle->add_option("--to", args->directory, "Directory that gets NAME.akmbundle")->required();
  bundle->callback(
      [&session, args] { session.command = [&session, args] { return prepare(session, *args); }; });

  CLI::App* direct = nmm->add_subcommand(
      "provision", "Hand an NMM its credentials over its D-Bus (not supported by the Root yet: use prepare)");
  direct->add_option("NAME", args->name, "Name of the NMM")->required();
  direct->add_option("--bus-address", args->bus_address, "unix:path=... of the NMM's bus")->required();
  direct->add_option("--endpoint", args->endpoints, "ADDRESS:PORT where the NMM is reached; may be repeated");
  direct->callback(
      [&session, args] { session.command = [&session, args] { return provision(session, *args); }; });

  CLI::App* lost = nmm->add_subcommand("replace", "Credentials for a machine in the place of a lost NMM");
  lost->add_option("NMM", args->name, "Name or id")->required();
  lost->add_option("--hardware-value", args->hardware_value,
                   "What 'akmctl nmm identity' shows on the new machine");
  lost->add_option("--to", args->directory, "Directory that gets NAME.akmbundle");
  lost->add_option("--bus-address", args->bus_address,
                   "unix:path=... of the new machine's bus (not supported by the Root yet: use --to)");
  lost->callback(
      [&session, args] { session.command = [&session, args] { return replace(session, *args); }; });
}

}  // namespace

void add_root_commands(CLI::App& app, Session& session) {
  CLI::App* root =
      app.add_subcommand("root", "The Root of Trust on this bus (akm-rootd)")->require_subcommand(1);
  root->add_subcommand("status", "State, database, key storage and findings")->callback([&session] {
    session.command = [&session] { return show_status(session); };
  });
  root->add_subcommand("init", "Make the secret of the domain")->callback([&session] {
    session.command = [&session] { return init(session); };
  });
  root->add_subcommand("nmms", "All NMMs and their state")->callback([&session] {
    session.command = [&session] { return list_nmms(session); };
  });
  add_nmm_subcommands(root, session);
  add_sealing_commands(*root, session, dbus::Service::root);
  add_root_record_commands(root, session);
}

}  // namespace akm::ctl
