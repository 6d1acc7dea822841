#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "daemon/base/atomic_file.h"
#include "daemon/base/hex.h"
#include "dbus/limits.h"
#include "tools/akmctl/code_entry.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/json.h"
#include "tools/akmctl/names.h"
#include "tools/akmctl/progress.h"
#include "tools/akmctl/table.h"
#include "tools/akmctl/take_bundle.h"

namespace akm::ctl {
namespace {

// "3 s ago": both clocks are this machine's CLOCK_BOOTTIME.
std::string ago(std::int64_t boottime_ns) {
  if (boottime_ns == 0) return "never";
  const std::int64_t seconds = std::max<std::int64_t>((boottime_now().ns - boottime_ns) / 1'000'000'000, 0);
  if (seconds < 120) return fmt::format("{} s ago", seconds);
  if (seconds < 7200) return fmt::format("{} min ago", seconds / 60);
  return fmt::format("{} h ago", seconds / 3600);
}

std::string root_text(const nmm::StatusSnapshot& s) {
  if (s.root_state == "standalone" || s.root_state.empty()) return "none: this NMM stands alone";
  const std::string who = fmt::format("{} ({})", s.root_name, hex_id(s.root_id));
  if (s.root_state == "reached") return who + ", reached";
  if (s.root_state == "outage")
    return fmt::format("{}, NOT REACHED, went away {}", who, ago(s.root_since_ns));
  return who + ", " + s.root_state;
}

std::string status_text(const nmm::StatusSnapshot& s) {
  std::string out = facts({
      {"State", s.state},
      {"NMM", s.name},
      {"NMM id", s.nmm_id == 0 ? "" : hex_id(s.nmm_id)},
      {"Listens on", s.listen},
      {"Root", root_text(s)},
      {"Fingerprint", s.handover_fingerprint},
      {"Key storage", s.key_storage + (s.hardware_protected ? "" : "  [NOT PROTECTED BY HARDWARE]")},
      {"Starts", std::to_string(s.incarnation)},
      {"Input/output", s.io_backend},
      {"Version", s.version},
  });
  out += s.findings.empty() ? "\nNothing is degraded.\n" : "\nFindings:\n";
  for (const std::string& finding : s.findings) out += "  - " + finding + "\n";
  if (s.probes.empty()) return out;
  Table probes({"DETECTION", "PROBE"});
  for (const auto& [detection, health] : s.probes) probes.row({detection, health});
  return out + "\nProbes on this machine:\n" + probes.text();
}

Status show_status(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const nmm::StatusSnapshot status, proxy->nmm_status());
  say(session, status_text(status), json_of(status));
  return {};
}

Status init(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_TRY(proxy->create_root_secret());
  AKM_ASSIGN(const nmm::StatusSnapshot status, proxy->nmm_status());
  say(session,
      fmt::format("The provisioning root secret is made and sealed; this NMM is {}.", hex_id(status.nmm_id)),
      json_of(status));
  return {};
}

struct Arguments {
  std::string name, hardware_value, place, token, pin_file, identity, golden;
  bool force = false;
  std::vector<std::string> endpoints;
};

Result<dbus::Proxy::Prepare> what_to_prepare(const Arguments& args) {
  dbus::Proxy::Prepare what{args.name, {}, args.endpoints};
  if (args.hardware_value.empty()) return what;
  auto value = parse_hex(args.hardware_value);
  if (!value || value->size() != 32)
    return fail(Errc::invalid_argument, "--hardware-value has 64 hex digits (akmctl node identity)");
  what.hardware_value = std::move(*value);
  return what;
}

Status prepare_on_token(Session& session, const Arguments& args) {
  AKM_ASSIGN(const dbus::Proxy::Prepare what, what_to_prepare(args));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const UniqueFd pin, enter_pin(args.pin_file));
  AKM_ASSIGN(const auto prepared, proxy->prepare_token(what, args.token, pin));
  std::string json = json_id("node_id", prepared.node_id);
  json.pop_back();
  json += fmt::format(R"(,"token":"{}","sealed":{}}})", json_escaped(prepared.token), prepared.sealed);
  say(session,
      facts({{"Node", args.name},
             {"Node id", hex_id(prepared.node_id)},
             {"Token", prepared.token},
             {"Protection", prepared.sealed
                                ? "sealed by a key that never leaves the token, behind its PIN"
                                : "a private object behind the token's PIN (it cannot do AES-GCM)"}}) +
          "\nCarry the token to the node and its PIN apart from it: akmctl node provision --from "
          "'pkcs11:...'",
      json);
  return {};
}

Status bundle(Session& session, const Arguments& args) {
  if (args.place.empty() == args.token.empty())
    return fail(Errc::invalid_argument, "say either --to or --to-token");
  if (!args.token.empty()) return prepare_on_token(session, args);
  AKM_ASSIGN(const dbus::Proxy::Prepare what, what_to_prepare(args));
  AKM_ASSIGN(const std::string place, absolute_path(args.place));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const auto prepared, with_progress(session, of_node(args.name), [&] {
               return proxy->prepare_bundle(what, place, args.force);
             }));
  AKM_ASSIGN(const SecretBuffer code, read_code(prepared.code));
  if (session.options.json) {
    // The code has only letters, digits and "-": it needs no escapes, and no copy of it is made.
    std::string line = json_id("node_id", prepared.node_id);
    line.pop_back();
    fmt::print(stdout, "{},\"path\":\"{}\",\"code\":\"", line, json_escaped(prepared.path));
    show_code(code);
    fmt::print(stdout, "\"}}\n");
    return {};
  }
  fmt::print(stdout, "{}\nOne-time code: ",
             facts({{"Node", args.name}, {"Node id", hex_id(prepared.node_id)}, {"Bundle", prepared.path}}));
  show_code(code);
  fmt::print(stdout, "\n\nIt is shown this once and opens the bundle once. Carry it apart from the file.\n");
  return {};
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
  if (bytes >= 1024 * kMebibyte)
    return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1024.0 * kMebibyte));
  return fmt::format("{} MiB", bytes / kMebibyte);
}

Status list_drives(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const std::vector<nmm::DriveSnapshot> drives, proxy->drives());
  Table table({"DRIVE", "SIZE", "FILESYSTEM", "MODEL", "MOUNTED AT", "USABLE"});
  for (const nmm::DriveSnapshot& one : drives) {
    table.row({one.device, size_text(one.bytes), one.filesystem, one.model,
               fmt::format("{}", fmt::join(one.mounted_at, " ")), one.refusal.empty() ? "yes" : one.refusal});
  }
  say(session, table.empty() ? "No removable drive is plugged in." : table.text(), json_of(drives));
  return {};
}

constexpr const char* kToRoot =
    "at the Root: akmctl root nmm prepare NAME --for FILE --to DIRECTORY. It shows the same fingerprint.";
/// What nobody certifies stands first and in capitals: then only the comparison says which TPM this is.
Status bundle_for_tpm(Session& session, const Arguments& args) {
  if (args.place.empty() || !args.token.empty()) return fail(Errc::invalid_argument, "--for goes with --to");
  AKM_ASSIGN(auto identity, read_file(args.identity, dbus::limits::kIdentityBytes));
  AKM_ASSIGN(const std::string place, absolute_path(args.place));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const auto made,
             proxy->prepare_for_tpm({args.name, args.endpoints, std::move(identity), place}));
  std::string json = json_id("node_id", made.node_id);
  json.pop_back();
  json += fmt::format(
      R"(,"path":"{}","fingerprint":"{}","digest":"{}","certified":{},"certificate":"{}","pcr_digest":"{}"}})",
      json_escaped(made.path), json_escaped(made.fingerprint), json_escaped(made.digest), made.certified,
      json_escaped(made.certificate), json_escaped(made.pcr_digest));
  const std::string certificate =
      made.certified ? "by " + made.certificate : "NOT CERTIFIED: " + made.certificate;
  say(session,
      facts({{"Certificate", certificate},
             {"Node", args.name},
             {"Node id", hex_id(made.node_id)},
             {"Bundle", made.path},
             {"Fingerprint", made.fingerprint},
             {"Bundle digest", made.digest},
             {"PCR digest", made.pcr_digest}}) +
          "\nOnly the TPM of this identity opens the bundle, without a code. Compare the fingerprint with "
          "the "
          "one that the node has shown.",
      json);
  return {};
}

Status show_identity(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const auto identity, proxy->hardware_identity(dbus::Service::nmm));
  AKM_ASSIGN(const nmm::StatusSnapshot status, proxy->nmm_status());
  Table sources({"SOURCE", "VALUE"});
  for (const auto& [name, value] : identity.sources) sources.row({name, value});
  std::string text = "Hardware value: " + hex(identity.value) + "\n";
  if (status.nmm_id != 0) text += "NMM id: " + hex_id(status.nmm_id) + " (akmctl root nmm prepare --adopt)\n";
  say(session, text + "\n" + sources.text(), json_of(identity));
  return {};
}

Status join(Session& session, const std::string& from, const std::string& code_file,
            const std::string& digest) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_TRY(take_bundle(*proxy, dbus::Service::nmm, from, code_file, digest));
  AKM_ASSIGN(const nmm::StatusSnapshot status, proxy->nmm_status());
  say(session,
      fmt::format(
          "The credentials of Root '{}' are stored, and the bundle is used up. The NMM reaches it by itself.",
          status.root_name),
      json_of(status));
  return {};
}

Status list_nodes(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const std::vector<nmm::NodeSnapshot> nodes, proxy->nodes());
  Table table({"NODE", "ID", "STATE", "SERIAL", "ENDPOINT", "HEARD", "ASRS", "VERSION"});
  for (const nmm::NodeSnapshot& n : nodes) {
    table.row({n.name, hex_id(n.node_id), n.state, std::to_string(n.serial), n.endpoint, ago(n.last_heard_ns),
               std::to_string(n.asrs.size()), n.version});
  }
  say(session, table.empty() ? "There are no nodes yet." : table.text(), json_of(nodes));
  return {};
}

Status set_golden(Session& session, const std::string& name, const std::string& golden) {
  const auto digest = parse_hex(golden);
  if (!digest || digest->size() != 32)
    return fail(Errc::invalid_argument, "--golden has 64 hex digits: SHA-256 over the PCRs 0 to 7");
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const std::vector<nmm::NodeSnapshot> nodes, proxy->nodes());
  AKM_ASSIGN(const std::uint64_t id, resolve_node(name, nodes));
  AKM_TRY(proxy->set_golden_pcrs(id, *digest));
  say(session, fmt::format("The next quote of '{}' is compared with this digest.", name),
      json_id("node_id", id));
  return {};
}

/// "changed" is printed, and fails: a script is to notice.
Status attest(Session& session, const std::string& name, bool accept) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const std::vector<nmm::NodeSnapshot> nodes, proxy->nodes());
  AKM_ASSIGN(const std::uint64_t id, resolve_node(name, nodes));
  AKM_ASSIGN(const dbus::Proxy::Attested attested, proxy->attest(id, accept));
  const bool no_log = attested.log_digest.find_first_not_of('0') == std::string::npos;
  const auto sentence = [&attested]() -> std::string {
    if (attested.outcome == "first") return "genuine; its state is pinned from now on";
    if (attested.outcome == "same") return "genuine; its state is the one that was pinned";
    if (attested.outcome == "accepted") return "genuine; its present state is pinned from now on";
    return "genuine, but its state is NOT the one that was pinned";
  };
  std::string json = json_id("node_id", id);
  json.pop_back();
  json +=
      fmt::format(R"(,"outcome":"{}","pcr_digest":"{}","log_digest":"{}"}})", json_escaped(attested.outcome),
                  json_escaped(attested.pcr_digest), json_escaped(attested.log_digest));
  say(session,
      facts({{"Node", name},
             {"Quote", sentence()},
             {"PCR digest", attested.pcr_digest},
             {"Event log", no_log ? "none" : attested.log_digest}}),
      json);
  if (attested.outcome != "changed") return {};
  return fail(Errc::hardware_mismatch,
              "other PCRs than at the first attestation; after a known change of firmware say --accept");
}

/// One level up: what a Root has made for this NMM.
void add_joining_commands(CLI::App* nmm, Session& session) {
  const auto from = std::make_shared<std::string>();
  const auto digest = std::make_shared<std::string>();
  const auto out = std::make_shared<std::string>();
  CLI::App* identity =
      nmm->add_subcommand("identity", "The hardware value that a Root prepares this NMM for");
  identity->add_option("--out", *out, "Instead: write the identity of this machine's TPM to a new file");
  identity->callback([&session, out] {
    session.command = [&session, out] {
      return out->empty() ? show_identity(session)
                          : write_identity(session, dbus::Service::nmm, *out, kToRoot);
    };
  });
  const auto code_file = std::make_shared<std::string>();
  CLI::App* root = nmm->add_subcommand("join", "Take a Root's credentials from a bundle or a token");
  root->add_option("FROM", *from, "NAME.akmbundle, a folder or drive with one, or the pkcs11: URI of a token")
      ->required();
  CLI::Option* code =
      root->add_option("--code-file,--pin-file", *code_file,
                       "Read the code or PIN from here (- is standard input) instead of asking");
  root->add_option("--digest", *digest,
                   "For the TPM of this machine: take only the bundle that 'akmctl root nmm' showed so")
      ->excludes(code);
  root->callback([&session, from, digest, code_file] {
    session.command = [&session, from, digest, code_file] {
      return join(session, *from, *code_file, *digest);
    };
  });
}

}  // namespace

void add_nmm_commands(CLI::App& app, Session& session) {
  CLI::App* nmm = app.add_subcommand("nmm", "The Network Management Module on this bus (akm-nmmd)")
                      ->require_subcommand(1);
  nmm->add_subcommand("status", "State, key storage and findings")->callback([&session] {
    session.command = [&session] { return show_status(session); };
  });
  nmm->add_subcommand("init", "Make the provisioning root secret (standalone NMM)")->callback([&session] {
    session.command = [&session] { return init(session); };
  });

  const auto args = std::make_shared<Arguments>();
  CLI::App* make =
      nmm->add_subcommand("bundle", "Make credentials for a node, on a drive or a token")->alias("prepare");
  make->add_option("NAME", args->name, "Name of the node")->required();
  make->add_option("--hardware-value", args->hardware_value, "What 'akmctl node identity' shows on the node");
  make->add_option("--endpoint", args->endpoints, "ADDRESS:PORT where the node will listen; may be repeated");
  make->add_option("--to", args->place, "Drive (/dev/..) or folder that gets NAME.akmbundle");
  make->add_option("--for", args->identity,
                   "What 'akmctl node identity --out' wrote: only this node's TPM opens the bundle");
  make->add_option("--to-token", args->token, "PKCS#11 token that gets it (pkcs11:token=LABEL)");
  make->add_option("--pin-file", args->pin_file,
                   "Read the token's PIN from here (- is standard input) instead of asking");
  make->add_flag("--force", args->force, "Also a device that is not removable");
  make->callback([&session, args] {
    session.command = [&session, args] {
      return args->identity.empty() ? bundle(session, *args) : bundle_for_tpm(session, *args);
    };
  });
  nmm->add_subcommand("drives", "Drives that could take a bundle")->callback([&session] {
    session.command = [&session] { return list_drives(session); };
  });

  add_lifecycle_commands(*nmm, session);
  add_backup_commands(*nmm, session);

  const auto accept = std::make_shared<bool>(false);
  CLI::App* quote = nmm->add_subcommand("attest", "Have a node's TPM quote its PCRs, and compare them");
  quote->add_option("NODE", args->name, "Name or id")->required();
  CLI::Option* pin = quote->add_flag("--accept", *accept, "Pin what is quoted now");
  quote->add_option("--golden", args->golden, "Only say what the PCR digest is to be (64 hex digits)")
      ->excludes(pin);
  quote->callback([&session, args, accept] {
    session.command = [&session, args, accept] {
      return args->golden.empty() ? attest(session, args->name, *accept)
                                  : set_golden(session, args->name, args->golden);
    };
  });

  add_joining_commands(nmm, session);
  nmm->add_subcommand("nodes", "All nodes and their state")->callback([&session] {
    session.command = [&session] { return list_nodes(session); };
  });
  add_sealing_commands(*nmm, session, dbus::Service::nmm);
}

}  // namespace akm::ctl
