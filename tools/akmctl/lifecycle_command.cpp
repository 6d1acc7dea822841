// akmctl nmm: how a node comes over its bus, moves and goes.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "daemon/base/hex.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/confirm.h"
#include "tools/akmctl/direct_word.h"
#include "tools/akmctl/json.h"
#include "tools/akmctl/names.h"
#include "tools/akmctl/progress.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {
namespace {

constexpr const char* kDone = R"({"done":true})";

struct Arguments {
  std::string name, bus_address, fingerprint, hardware_value;
  std::vector<std::string> endpoints;
  bool yes = false;
  bool forget = false;
};
using Shared = std::shared_ptr<Arguments>;

Status provision(Session& session, const Arguments& args) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const auto offer, with_progress(session, of_node(args.name), [&] {
               return proxy->begin_direct({args.name, {}, args.endpoints}, args.bus_address);
             }));
  const auto id = confirm_offer(
      session, offer, {args.fingerprint, args.yes}, "akmctl node status", [&](const std::string& word) {
        return with_progress(session, of_node(args.name),
                             [&] { return proxy->confirm_direct(offer.handle, word); });
      });
  if (!id) return std::unexpected(id.error());
  std::string json = json_id("node_id", *id);
  json.pop_back();
  say(session, fmt::format("Provisioned '{}' ({}) over its bus.", args.name, hex_id(*id)),
      fmt::format(R"({},"fingerprint":"{}"}})", json, json_escaped(offer.fingerprint)));
  return {};
}

Result<std::uint64_t> id_of(dbus::Proxy& proxy, const std::string& name) {
  AKM_ASSIGN(const std::vector<nmm::NodeSnapshot> nodes, proxy.nodes());
  return resolve_node(name, nodes);
}

Status describe(Session& session, const Arguments& args) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const std::uint64_t id, id_of(*proxy, args.name));
  AKM_ASSIGN(const auto known, proxy->describe_node(id));
  std::string json = "[";
  for (const auto& [fact, value] : known) {
    json +=
        fmt::format(R"({}["{}","{}"])", json.size() > 1 ? "," : "", json_escaped(fact), json_escaped(value));
  }
  Table table({"FACT", "VALUE"});
  for (const auto& [fact, value] : known) table.row({fact, value});
  say(session, table.text(), json + "]");
  return {};
}

Status reprovision(Session& session, const Arguments& args) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const std::uint64_t id, id_of(*proxy, args.name));
  AKM_TRY(proxy->reprovision(id));
  say(session, fmt::format("'{}' is on its next serial; what was valid before is refused.", args.name),
      kDone);
  return {};
}

/// Without the value the two machines are shown, and nothing is done.
Status rehome(Session& session, const Arguments& args) {
  if (args.hardware_value.empty()) {
    AKM_TRY(describe(session, args));
    return fail(Errc::invalid_argument,
                "compare, on the node, with akmctl node identity; then say --hardware-value VALUE");
  }
  const auto value = parse_hex(args.hardware_value);
  if (!value || value->size() != 32)
    return fail(Errc::invalid_argument, "--hardware-value has 64 hex digits (akmctl node identity)");
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const std::uint64_t id, id_of(*proxy, args.name));
  AKM_TRY(proxy->rehome_node(id, *value));
  say(session, fmt::format("'{}' is bound to its present hardware.", args.name), kDone);
  return {};
}

Status retire(Session& session, const Arguments& args) {
  AKM_TRY(confirm(args.yes, "this takes the node out for good and erases it"));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const std::uint64_t id, id_of(*proxy, args.name));
  AKM_TRY(proxy->retire_node(id, args.forget));
  say(session,
      args.forget ? "'" + args.name + "' is retired and forgotten."
                  : "'" + args.name + "' is retired and has erased itself.",
      kDone);
  return {};
}

Status accept_hardware(Session& session, const Arguments& args) {
  AKM_TRY(confirm(args.yes, "this binds the NMM to this machine; the one that it was on has to be off"));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_TRY(proxy->accept_hardware());
  say(session, "This NMM is bound to this machine; it starts anew.", kDone);
  return {};
}

CLI::App* add(CLI::App& nmm, Session& session, const Shared& args, const char* name, const char* help,
              Status (*run)(Session&, const Arguments&)) {
  CLI::App* command = nmm.add_subcommand(name, help);
  command->callback(
      [&session, args, run] { session.command = [&session, args, run] { return run(session, *args); }; });
  return command;
}

}  // namespace

void add_lifecycle_commands(CLI::App& nmm, Session& session) {
  const auto args = std::make_shared<Arguments>();
  const auto node = [&args](CLI::App* command) {
    command->add_option("NODE", args->name, "Name or id")->required();
    return command;
  };
  CLI::App* direct =
      add(nmm, session, args, "provision", "Hand a node its credentials over its D-Bus", provision);
  direct->add_option("NAME", args->name, "Name of the new node")->required();
  direct
      ->add_option("--bus-address", args->bus_address,
                   "unix:path=..., ssh:[USER@]HOST[:PORT], unixexec:... or tcp:... of the node's bus")
      ->required();
  direct->add_option("--endpoint", args->endpoints,
                     "ADDRESS:PORT where the node will listen; may be repeated");
  direct->add_option("--fingerprint", args->fingerprint, "What the node shows; without it you are asked");
  direct->add_flag("--yes", args->yes, "Send without comparing (somebody may stand between)");
  node(add(nmm, session, args, "node", "A node, and whoever else speaks in its name", describe));
  node(add(nmm, session, args, "reprovision", "The next serial of a node; the old one is dead", reprovision));
  node(add(nmm, session, args, "rehome", "Take a node with a replaced part for the same one", rehome))
      ->add_option("--hardware-value", args->hardware_value, "What 'akmctl node identity' shows on the node");
  CLI::App* end =
      node(add(nmm, session, args, "retire", "Take a node out for good; it erases itself", retire));
  end->add_flag("--yes", args->yes, "Without asking");
  end->add_flag("--forget", args->forget, "Do not wait for the node: it is lost");
  add(nmm, session, args, "accept-hardware", "Bind an NMM whose state came from other hardware",
      accept_hardware)
      ->add_flag("--yes", args->yes, "Without asking");
}

}  // namespace akm::ctl
