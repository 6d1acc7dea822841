// akmctl asr export-key and release-key: what a local consumer asks of its node.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "daemon/base/hex.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/consumer_keyring.h"
#include "tools/akmctl/json.h"
#include "tools/akmctl/names.h"

namespace akm::ctl {
namespace {

struct Arguments {
  std::string asr, name, context, type = "user", keyring = "@s";
  std::int32_t serial = 0;
};

Result<std::uint64_t> asr_of_node(dbus::Proxy& node, const std::string& name) {
  AKM_ASSIGN(const std::vector<AsrSnapshot> asrs, node.asrs(dbus::Service::node));
  return resolve_asr(name, asrs);
}

Status export_key(Session& session, const Arguments& args) {
  node::ControlPort::KeyExport what;
  what.name = args.name;
  what.type = args.type;
  if (!args.context.empty()) {
    AKM_ASSIGN(what.context, parse_hex(args.context));
  }
  AKM_ASSIGN(const std::int32_t outer, parse_keyring(args.keyring));
  AKM_ASSIGN(dbus::Proxy* const node, session.reach(dbus::Service::node));
  AKM_ASSIGN(what.asr_id, asr_of_node(*node, args.asr));
  AKM_ASSIGN(ConsumerKeyring keyring, ConsumerKeyring::open(outer));
  what.keyring = keyring.serial();
  AKM_ASSIGN(const std::int32_t serial, node->export_key(what));
  AKM_TRY(keyring.close(serial));
  // The serial alone, so that it can go to keyctl.
  say(session, std::to_string(serial), json_serial(serial));
  return {};
}

Status release_key(Session& session, const Arguments& args) {
  AKM_ASSIGN(dbus::Proxy* const node, session.reach(dbus::Service::node));
  AKM_ASSIGN(const std::uint64_t asr, asr_of_node(*node, args.asr));
  AKM_TRY(node->release_key(asr, args.serial));
  say(session, fmt::format("Released {}.", args.serial), json_id("asr_id", asr));
  return {};
}

}  // namespace

void add_export_commands(CLI::App& group, Session& session) {
  const auto args = std::make_shared<Arguments>();
  CLI::App* give = group.add_subcommand(
      "export-key", "A key of this node's session for a local program, by its serial in the kernel");
  give->add_option("ASR", args->asr, "Name or id")->required();
  give->add_option("NAME", args->name, "Of the consumer, as in akmd's configuration")->required();
  give->add_option("--type", args->type, "user: can be read; logon: for the kernel alone")
      ->check(CLI::IsMember({"user", "logon"}));
  give->add_option("--keyring", args->keyring,
                   "Where the keyring akm with it is put: @s, @u, @us or a serial");
  give->add_option("--context", args->context, "Hex digits that tell several keys of one name apart");
  give->callback(
      [&session, args] { session.command = [&session, args] { return export_key(session, *args); }; });
  CLI::App* end = group.add_subcommand("release-key", "An exported key is needed no longer");
  end->add_option("ASR", args->asr, "Name or id")->required();
  end->add_option("SERIAL", args->serial, "As export-key has said")->required();
  end->callback(
      [&session, args] { session.command = [&session, args] { return release_key(session, *args); }; });
}

}  // namespace akm::ctl
