#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "daemon/base/hex.h"
#include "tools/akmctl/code_entry.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/json.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {
namespace {

constexpr const char* kDone = R"({"done":true})";

std::string id_or_nothing(std::uint64_t id) {
  return id == 0 ? "" : hex_id(id);
}

std::string status_text(const node::StatusSnapshot& s) {
  std::string out = facts({
      {"State", std::string(node::node_state_name(s.state))},
      {"Node", s.node_name},
      {"Node id", id_or_nothing(s.node_id)},
      {"NMM", s.nmm_name.empty() ? "" : fmt::format("{} ({})", s.nmm_name, hex_id(s.nmm_id))},
      {"Listens on", s.listen},
      {"Key storage", s.key_storage + (s.hardware_protected ? "" : "  [NOT PROTECTED BY HARDWARE]")},
      {"Key ring", s.keyring == 0 ? "" : fmt::format("{} (keyctl show {})", s.keyring, s.keyring)},
      {"Starts", std::to_string(s.incarnation)},
      {"Input/output", s.io_backend},
      {"Version", s.version},
  });
  if (!s.probes.empty()) {
    Table probes({"DETECTION", "PROBE"});
    for (const auto& [detection, health] : s.probes) probes.row({detection, health});
    out += "\n" + probes.text();
  }
  for (const node::BundleSnapshot& one : s.bundles) {
    const std::string where = one.file.empty() ? one.device : one.device + "/" + one.file;
    out += one.refusal.empty()
               ? fmt::format("\nA bundle is plugged in ({} left): akmctl node provision --from {}\n",
                             one.tries_left == 1 ? "1 try" : fmt::format("{} tries", one.tries_left), where)
               : fmt::format("\nA bundle that cannot be used is plugged in: {}: {}\n", where, one.refusal);
  }
  out += s.findings.empty() ? "\nNothing is degraded.\n" : "\nFindings:\n";
  for (const std::string& finding : s.findings) out += "  - " + finding + "\n";
  return out;
}

Status show_status(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::node));
  AKM_ASSIGN(const node::StatusSnapshot status, proxy->node_status());
  say(session, status_text(status), json_of(status));
  return {};
}

Status show_identity(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::node));
  AKM_ASSIGN(const auto identity, proxy->hardware_identity());
  Table sources({"SOURCE", "VALUE"});
  for (const auto& [name, value] : identity.sources) sources.row({name, value});
  say(session, "Hardware value: " + hex(identity.value) + "\n\n" + sources.text(), json_of(identity));
  return {};
}

Status provision(Session& session, const std::string& file, const std::string& code_file) {
  AKM_ASSIGN(const std::string path, absolute_path(file));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::node));
  AKM_ASSIGN(const UniqueFd code, enter_code(code_file));
  AKM_TRY(proxy->provision_from_file(path, code));
  AKM_ASSIGN(const node::StatusSnapshot status, proxy->node_status());
  say(session,
      fmt::format("Provisioned as '{}' ({}). The bundle is used up. Next: akmctl node activate",
                  status.node_name, hex_id(status.node_id)),
      json_of(status));
  return {};
}

Status activate(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::node));
  AKM_TRY(proxy->activate());
  say(session, "Activated: the NMM has answered.", kDone);
  return {};
}

Status zeroize(Session& session, bool yes) {
  if (!yes)
    return fail(Errc::invalid_argument,
                "this erases all credentials and keys of the node; say --yes to do it");
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::node));
  AKM_TRY(proxy->zeroize());
  say(session, "Erased: the node is unprovisioned.", kDone);
  return {};
}

}  // namespace

void add_node_commands(CLI::App& app, Session& session) {
  CLI::App* node = app.add_subcommand("node", "The node on this bus (akmd)")->require_subcommand(1);
  node->add_subcommand("status", "State, key storage, probes and findings")->callback([&session] {
    session.command = [&session] { return show_status(session); };
  });
  node->add_subcommand("identity", "The hardware value that credentials are bound to")->callback([&session] {
    session.command = [&session] { return show_identity(session); };
  });

  struct Arguments {
    std::string file, code_file;
    bool yes = false;
  };
  const auto args = std::make_shared<Arguments>();
  CLI::App* add = node->add_subcommand("provision", "Take credentials from a bundle and its one-time code");
  add->add_option("--from,FROM", args->file,
                  "NAME.akmbundle, a folder or a drive (/dev/..) that holds one, or DRIVE/NAME.akmbundle")
      ->required();
  add->add_option("--code-file", args->code_file,
                  "Read the code from here (- is standard input) instead of asking");
  add->callback([&session, args] {
    session.command = [&session, args] { return provision(session, args->file, args->code_file); };
  });
  node->add_subcommand("activate", "Reach the NMM and take up service")->callback([&session] {
    session.command = [&session] { return activate(session); };
  });
  CLI::App* erase = node->add_subcommand("zeroize", "Erase all credentials and keys");
  erase->add_flag("--yes", args->yes, "Really");
  erase->callback(
      [&session, args] { session.command = [&session, args] { return zeroize(session, args->yes); }; });
  add_sealing_commands(*node, session, dbus::Service::node);
}

}  // namespace akm::ctl
