#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "daemon/base/atomic_file.h"
#include "daemon/base/hex.h"
#include "dbus/limits.h"
#include "dbus/root_proxy.h"
#include "tools/akmctl/age.h"
#include "tools/akmctl/code_entry.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/direct_word.h"
#include "tools/akmctl/json.h"
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
      {"Revision", std::to_string(s.revision) +
                       (s.pruned_to == 0 ? "" : fmt::format(" (history pruned to {})", s.pruned_to))},
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
  std::string name, adopt, hardware_value, directory, token, pin_file, identity, bus_address, fingerprint;
  std::vector<std::string> endpoints;
  bool yes = false;
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

/// Where the credentials go: to a folder or drive, or to a token.
Status check_destination(const Arguments& args) {
  if (args.directory.empty() == args.token.empty())
    return fail(Errc::invalid_argument, "say either --to or --to-token");
  if (args.identity.empty() == args.hardware_value.empty())
    return fail(Errc::invalid_argument, "say either --hardware-value or --for");
  if (!args.identity.empty() && args.directory.empty())
    return fail(Errc::invalid_argument, "--for goes with --to");
  return {};
}

Status write_token(Session& session, dbus::RootProxy& root, const Arguments& args,
                   const dbus::RootProxy::Prepare& what) {
  AKM_ASSIGN(const UniqueFd pin, enter_pin(args.pin_file));
  AKM_ASSIGN(const auto made, root.prepare_nmm_on_token(what, args.token, pin));
  std::string json = json_id("nmm_id", made.nmm_id);
  json.pop_back();
  say(session,
      fmt::format("The credentials of '{}' ({}) are on token {}, {}. On its machine: akmctl nmm join {}",
                  args.name, hex_id(made.nmm_id), made.token,
                  made.sealed ? "sealed by a key of the token" : "kept by its PIN alone", args.token),
      fmt::format(R"({},"token":"{}","sealed":{}}})", json, json_escaped(made.token), made.sealed));
  return {};
}

/// What nobody certifies stands first and in capitals: then only the comparison says which TPM this is.
Status write_for_tpm(Session& session, dbus::RootProxy& root, const Arguments& args,
                     const dbus::RootProxy::Prepare& what) {
  AKM_ASSIGN(const auto identity, read_file(args.identity, dbus::limits::kIdentityBytes));
  AKM_ASSIGN(const std::string place, absolute_path(args.directory));
  AKM_ASSIGN(const auto made, root.prepare_nmm_for_tpm(what, identity, place));
  std::string json = json_id("nmm_id", made.nmm_id);
  json.pop_back();
  json += fmt::format(R"(,"path":"{}","fingerprint":"{}","digest":"{}","certified":{},"certificate":"{}"}})",
                      json_escaped(made.path), json_escaped(made.fingerprint), json_escaped(made.digest),
                      made.certified, json_escaped(made.certificate));
  say(session,
      facts({{"Certificate", (made.certified ? "by " : "NOT CERTIFIED: ") + made.certificate},
             {"NMM", args.name},
             {"NMM id", hex_id(made.nmm_id)},
             {"Bundle", made.path},
             {"Fingerprint", made.fingerprint},
             {"Bundle digest", made.digest}}) +
          "\nOnly the TPM of this identity opens the bundle, without a code. Compare the fingerprint with "
          "the "
          "one that its machine has shown.",
      json);
  return {};
}

Status prepare(Session& session, const Arguments& args) {
  AKM_TRY(check_destination(args));
  dbus::RootProxy::Prepare what;
  what.nmm_name = args.name;
  what.nmm_endpoints = args.endpoints;
  if (!args.adopt.empty()) {
    AKM_ASSIGN(what.nmm_id, parse_hex_id(args.adopt));
  }
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  if (!args.identity.empty()) return write_for_tpm(session, root, args, what);
  AKM_ASSIGN(what.hardware_value, hardware_value(args.hardware_value));
  if (!args.token.empty()) return write_token(session, root, args, what);
  AKM_ASSIGN(const std::string directory, absolute_path(args.directory));
  AKM_ASSIGN(const auto prepared, root.prepare_nmm(what, directory));
  return show_prepared(session, args.name, prepared);
}

/// A new NMM, or the machine in a lost one's place: what it says of itself, then the credentials.
Status hand_over(Session& session, dbus::RootProxy& root, const Arguments& args,
                 const dbus::RootProxy::Prepare& what) {
  AKM_ASSIGN(const DirectOffer offer, root.begin_direct(what, args.bus_address));
  const auto id =
      confirm_offer(session, offer, {args.fingerprint, args.yes}, "akmctl nmm status",
                    [&](const std::string& word) { return root.confirm_direct(offer.handle, word); });
  if (!id) return std::unexpected(id.error());
  std::string json = json_id("nmm_id", *id);
  json.pop_back();
  say(session, fmt::format("The machine of '{}' ({}) has its credentials.", args.name, hex_id(*id)),
      fmt::format(R"({},"fingerprint":"{}"}})", json, json_escaped(offer.fingerprint)));
  return {};
}

Status provision(Session& session, const Arguments& args) {
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  dbus::RootProxy::Prepare what;
  what.nmm_name = args.name;
  what.nmm_endpoints = args.endpoints;
  return hand_over(session, root, args, what);
}

Status replace(Session& session, const Arguments& args) {
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  AKM_ASSIGN(const auto nmms, root.nmms());
  dbus::RootProxy::Prepare what;
  AKM_ASSIGN(what.replaces, resolve_nmm(args.name, nmms));
  if (!args.bus_address.empty()) {
    if (!args.directory.empty() || !args.token.empty())
      return fail(Errc::invalid_argument, "--bus-address goes without --to and --to-token");
    return hand_over(session, root, args, what);
  }
  AKM_TRY(check_destination(args));
  if (!args.identity.empty()) return write_for_tpm(session, root, args, what);
  AKM_ASSIGN(what.hardware_value, hardware_value(args.hardware_value));
  if (!args.token.empty()) return write_token(session, root, args, what);
  AKM_ASSIGN(const std::string directory, absolute_path(args.directory));
  AKM_ASSIGN(const auto prepared, root.replace_nmm(what.replaces, what.hardware_value, directory));
  return show_prepared(session, args.name, prepared);
}

/// What the ways of carrying have in common for a new NMM and for a replacement.
void add_ways(CLI::App* command, const std::shared_ptr<Arguments>& args) {
  command->add_option("--hardware-value", args->hardware_value,
                      "What 'akmctl nmm identity' shows on its machine");
  command->add_option("--for", args->identity,
                      "What 'akmctl nmm identity --out' wrote there: only that TPM opens the bundle");
  command->add_option("--to", args->directory, "Folder or removable drive that gets NAME.akmbundle");
  command->add_option("--to-token", args->token, "RFC 7512 URI of a PKCS#11 token that gets them instead");
  command->add_option("--pin-file", args->pin_file, "Read the token's PIN from here instead of asking");
}
void add_direct_options(CLI::App* command, const std::shared_ptr<Arguments>& args, bool required) {
  command
      ->add_option("--bus-address,--direct", args->bus_address,
                   "unix:path=..., ssh:[USER@]HOST[:PORT], unixexec:... or tcp:... of the machine's bus")
      ->required(required);
  command->add_option("--fingerprint", args->fingerprint, "What the machine shows; without it you are asked");
  command->add_flag("--yes", args->yes, "Send without comparing (somebody may stand between)");
}

void add_nmm_subcommands(CLI::App* root, Session& session) {
  const auto args = std::make_shared<Arguments>();
  CLI::App* nmm = root->add_subcommand("nmm", "Credentials of NMMs")->require_subcommand(1);
  CLI::App* bundle = nmm->add_subcommand("prepare", "Make credentials for an NMM, as a bundle or on a token");
  bundle->add_option("NAME", args->name, "Name of the NMM")->required();
  bundle->add_option("--adopt", args->adopt, "Id of an NMM that stands alone and is adopted");
  bundle->add_option("--endpoint", args->endpoints, "ADDRESS:PORT where the NMM is reached; may be repeated");
  add_ways(bundle, args);
  bundle->callback(
      [&session, args] { session.command = [&session, args] { return prepare(session, *args); }; });

  CLI::App* direct = nmm->add_subcommand("provision", "Hand an NMM its credentials over its D-Bus");
  direct->add_option("NAME", args->name, "Name of the NMM")->required();
  add_direct_options(direct, args, true);
  direct->add_option("--endpoint", args->endpoints, "ADDRESS:PORT where the NMM is reached; may be repeated");
  direct->callback(
      [&session, args] { session.command = [&session, args] { return provision(session, *args); }; });

  CLI::App* lost = nmm->add_subcommand("replace", "Credentials for a machine in the place of a lost NMM");
  lost->add_option("NMM", args->name, "Name or id")->required();
  add_ways(lost, args);
  add_direct_options(lost, args, false);
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
