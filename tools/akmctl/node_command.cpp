#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "daemon/base/hex.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/confirm.h"
#include "tools/akmctl/json.h"
#include "tools/akmctl/table.h"
#include "tools/akmctl/take_bundle.h"

namespace akm::ctl {
namespace {

constexpr const char* kDone = R"({"done":true})";
constexpr const char* kToNmm =
    "on the NMM: akmctl nmm bundle NAME --for FILE --to DIRECTORY. It shows the same fingerprint.";

std::string id_or_nothing(std::uint64_t id) {
  return id == 0 ? "" : hex_id(id);
}

std::string status_text(const node::StatusSnapshot& s) {
  std::string out = facts({
      {"State", std::string(node::node_state_name(s.state))},
      {"Node", s.node_name},
      {"Node id", id_or_nothing(s.node_id)},
      {"NMM", s.nmm_name.empty() ? "" : fmt::format("{} ({})", s.nmm_name, hex_id(s.nmm_id))},
      {"Fingerprint", s.handover_fingerprint},
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

/// The node's status once it has reached its NMM, which it does by itself (activation.automatic); a program
/// that asks is told at once.
Result<node::StatusSnapshot> provisioned_status(const Session& session, dbus::Proxy& proxy) {
  constexpr int kBegun = 10;
  constexpr int kTries = 150;  // a quarter of a minute; after that it goes on without being looked at
  AKM_ASSIGN(node::StatusSnapshot status, proxy.node_status());
  for (int i = 0; !session.options.json && i < kTries; ++i) {
    const bool begins = status.state == node::NodeState::provisioned && i < kBegun;
    if (!begins && status.state != node::NodeState::activating) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    AKM_ASSIGN(status, proxy.node_status());
  }
  return status;
}

/// `what_is_left` of that from which the credentials came.
Status provision(Session& session, const std::string& from, const std::string& secret_file,
                 const std::string& digest, std::string_view what_is_left) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::node));
  AKM_TRY(take_bundle(*proxy, dbus::Service::node, from, secret_file, digest));
  AKM_ASSIGN(const node::StatusSnapshot status, provisioned_status(session, *proxy));
  const std::string service = status.state == node::NodeState::active
                                  ? fmt::format("In service: NMM '{}' has answered.", status.nmm_name)
                                  : "Not in service yet: see 'akmctl status'.";
  say(session,
      fmt::format("Provisioned as '{}' ({}). {}\n{}", status.node_name, hex_id(status.node_id), what_is_left,
                  service),
      json_of(status));
  return {};
}

Status activate(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::node));
  AKM_TRY(proxy->activate());
  say(session, "Activated: the NMM has answered.", kDone);
  return {};
}

/// A daemon whose state was erased starts anew: whatever is said to it before that is lost.
void wait_for_new_start(dbus::Proxy& proxy) {
  constexpr int kTries = 100;  // ten seconds; then it is whoever looks next who finds out
  for (int i = 0; i < kTries; ++i) {
    const auto status = proxy.node_status();
    if (status && std::ranges::find(status->findings, node::kStartsAnew) == status->findings.end()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

Status zeroize(Session& session, bool yes) {
  AKM_TRY(confirm(yes, "this erases all credentials and keys of the node"));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::node));
  AKM_ASSIGN(const std::string receipt, proxy->zeroize());
  wait_for_new_start(*proxy);
  say(session, "Erased: the node is unprovisioned." + (receipt.empty() ? "" : "\nReceipt: " + receipt),
      receipt.empty() ? kDone : receipt);
  if (const std::string left = not_erased(receipt); !left.empty())
    return fail(Errc::storage_failed, "not erased: " + left + "; the log says why (zeroize-failed)");
  return {};
}

/// Waits until an NMM has handed over credentials to the key whose fingerprint is shown.
Status wait_for_handover(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::node));
  AKM_ASSIGN(const node::ControlPort::Offer offer, proxy->offer_handover());
  if (!session.options.json) {
    fmt::print(stdout,
               "Fingerprint: {}\nHardware value: {}\nCompare the fingerprint with the one that akmctl nmm "
               "provision shows. Waiting for ten minutes at the most.\n",
               offer.fingerprint, hex(offer.identity.value));
    std::fflush(stdout);
  }
  while (true) {
    AKM_ASSIGN(const node::StatusSnapshot status, proxy->node_status());
    if (status.state != node::NodeState::unprovisioned) {
      say(session,
          fmt::format("Provisioned as '{}' ({}) by NMM '{}' ({}).", status.node_name, hex_id(status.node_id),
                      status.nmm_name, hex_id(status.nmm_id)),
          json_of(status));
      return {};
    }
    if (status.handover_fingerprint != offer.fingerprint)
      return fail(Errc::timed_out, "no NMM has handed over credentials");
    // Looked at, since a daemon that has ended does not say that its offer has gone with it.
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

Status rehome(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::node));
  AKM_TRY(proxy->rehome());
  AKM_ASSIGN(const auto identity, proxy->hardware_identity());
  say(session,
      "The NMM's operator has been asked. There: akmctl nmm rehome NODE --hardware-value " +
          hex(identity.value),
      json_of(identity));
  return {};
}

Status generalize(Session& session, bool yes) {
  AKM_TRY(confirm(
      yes, "this erases the node's identity, and the daemon has none until the machine is started again"));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::node));
  AKM_TRY(proxy->generalize());
  wait_for_new_start(*proxy);
  say(session, "Generalized: take the image now, before the machine is started again.", kDone);
  return {};
}

}  // namespace

void add_node_commands(CLI::App& app, Session& session) {
  CLI::App* node = app.add_subcommand("node", "The node on this bus (akmd)")->require_subcommand(1);
  node->add_subcommand("status", "State, key storage, probes and findings")->callback([&session] {
    session.command = [&session] { return show_status(session); };
  });
  struct Arguments {
    std::string from, code_file, pin_file, digest, out;
    bool yes = false;
    bool wait = false;
  };
  const auto args = std::make_shared<Arguments>();
  CLI::App* identity = node->add_subcommand("identity", "The hardware value that credentials are bound to");
  identity->add_option("--out", args->out,
                       "Write what the TPM tells of itself to this new file, for 'akmctl nmm bundle'");
  identity->callback([&session, args] {
    session.command = [&session, args] {
      return args->out.empty() ? show_identity(session)
                               : write_identity(session, dbus::Service::node, args->out, kToNmm);
    };
  });

  CLI::App* add = node->add_subcommand(
      "provision",
      "Take credentials from a bundle and its one-time code, from a token, or from an NMM over a network");
  add->add_option("--from,FROM", args->from,
                  "NAME.akmbundle, a folder or a drive (/dev/..) that holds one, DRIVE/NAME.akmbundle, or a "
                  "PKCS#11 token (pkcs11:token=LABEL)");
  add->add_flag("--wait", args->wait, "Instead: show a fingerprint and wait for akmctl nmm provision");
  add->add_option("--pin-file", args->pin_file,
                  "Read the token's PIN from here (- is standard input) instead of asking");
  CLI::Option* code = add->add_option("--code-file", args->code_file,
                                      "Read the code from here (- is standard input) instead of asking");
  add->add_option("--digest", args->digest,
                  "For the TPM of this node: take only the bundle that 'akmctl nmm bundle' showed so")
      ->excludes(code);
  add->callback([&session, args] {
    if (args->wait != args->from.empty()) throw CLI::ValidationError("provision", "FROM or --wait");
    session.command = [&session, args] {
      if (args->wait) return wait_for_handover(session);
      if (args->from.starts_with("pkcs11:"))
        return provision(session, args->from, args->pin_file, {}, "The token holds a receipt now.");
      return provision(session, args->from, args->code_file, args->digest, "The bundle is used up.");
    };
  });
  node->add_subcommand("activate", "Reach the NMM and take up service")->callback([&session] {
    session.command = [&session] { return activate(session); };
  });
  node->add_subcommand("rehome", "Ask the NMM to take this machine, with a replaced part, for the same one")
      ->callback([&session] { session.command = [&session] { return rehome(session); }; });
  CLI::App* image = node->add_subcommand("generalize", "Erase the identity, for a golden image");
  image->add_flag("--yes", args->yes, "Without asking");
  image->callback(
      [&session, args] { session.command = [&session, args] { return generalize(session, args->yes); }; });
  CLI::App* erase = node->add_subcommand("zeroize", "Erase all credentials and keys");
  erase->add_flag("--yes", args->yes, "Without asking");
  erase->callback(
      [&session, args] { session.command = [&session, args] { return zeroize(session, args->yes); }; });
  add_sealing_commands(*node, session, dbus::Service::node);
}

}  // namespace akm::ctl
