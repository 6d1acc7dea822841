#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "daemon/base/hex.h"
#include "tools/akmctl/asr_text.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/confirm.h"
#include "tools/akmctl/json.h"
#include "tools/akmctl/names.h"
#include "tools/akmctl/progress.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {
namespace {

struct Arguments {
  std::string asr, label, node, from = "auto";
  std::vector<std::string> nodes, policy;
  bool yes = false;
};

/// The service to ask and its relationships.
struct View {
  dbus::Service service = dbus::Service::node;
  dbus::Proxy* proxy = nullptr;
  std::vector<AsrSnapshot> asrs;
};

Result<View> look(Session& session, const std::string& from) {
  View view;
  if (from == "auto") {
    AKM_ASSIGN(view.service, session.either());
  } else {
    view.service = from == "node" ? dbus::Service::node : dbus::Service::nmm;
  }
  AKM_ASSIGN(view.proxy, session.reach(view.service));
  AKM_ASSIGN(view.asrs, view.proxy->asrs(view.service));
  return view;
}

Status list(Session& session, const Arguments& args) {
  AKM_ASSIGN(const View view, look(session, args.from));
  Table table({"ASR", "ID", "KIND", "GENERATION", "EPOCH", "PHASE", "MEMBERS", "KEY CHECK"});
  for (const AsrSnapshot& asr : view.asrs) {
    table.row({asr.label, hex_id(asr.id), asr.kind, std::to_string(asr.generation), std::to_string(asr.epoch),
               asr.phase, std::to_string(asr.members.size()), asr.key_check});
  }
  say(session, table.empty() ? "There are no relationships." : table.text(), json_of(view.asrs));
  return {};
}

Status show(Session& session, const Arguments& args) {
  AKM_ASSIGN(const View view, look(session, args.from));
  AKM_ASSIGN(const std::uint64_t id, resolve_asr(args.asr, view.asrs));
  const auto at = std::ranges::find(view.asrs, id, &AsrSnapshot::id);
  say(session, asr_text(*at, view.service == dbus::Service::nmm), json_of(*at));
  return {};
}

/// A call that changes a relationship, which the NMM ends when its members have answered.
template <typename Call>
auto shown(const Session& session, const std::vector<AsrSnapshot>& asrs, std::uint64_t id, const Call& call) {
  const auto at = std::ranges::find(asrs, id, &AsrSnapshot::id);
  return with_progress(session, of_change(at == asrs.end() ? "" : at->label), call);
}

Status rekey(Session& session, const Arguments& args) {
  AKM_ASSIGN(const View view, look(session, args.from));
  AKM_ASSIGN(const std::uint64_t id, resolve_asr(args.asr, view.asrs));
  AKM_TRY(shown(session, view.asrs, id, [&] { return view.proxy->rekey(view.service, id); }));
  AKM_ASSIGN(const std::vector<AsrSnapshot> asrs, view.proxy->asrs(view.service));
  for (const AsrSnapshot& asr : asrs) {
    if (asr.id == id) {
      say(session,
          fmt::format("'{}' has new keys: generation {}, epoch {}.", asr.label, asr.generation, asr.epoch),
          json_of(asr));
    }
  }
  return {};
}

Result<std::map<std::string, std::string>> parse_policy(const std::vector<std::string>& words) {
  std::map<std::string, std::string> policy;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(Errc::invalid_argument, "a policy field is KEY=VALUE, not '" + word + "'");
    if (!policy.emplace(word.substr(0, equals), word.substr(equals + 1)).second) {
      return fail(Errc::invalid_argument, "policy field " + word.substr(0, equals) + " stands twice");
    }
  }
  return policy;
}

Status create(Session& session, const Arguments& args) {
  AKM_ASSIGN(const auto policy, parse_policy(args.policy));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const std::vector<nmm::NodeSnapshot> nodes, proxy->nodes());
  std::vector<std::uint64_t> ids;
  for (const std::string& node : args.nodes) {
    AKM_ASSIGN(const std::uint64_t id, resolve_node(node, nodes));
    ids.push_back(id);
  }
  AKM_ASSIGN(const std::uint64_t id, with_progress(session, of_change(args.label), [&] {
               return proxy->create_asr(args.label, ids, policy);
             }));
  say(session, fmt::format("Created '{}' ({}) in {} nodes.", args.label, hex_id(id), ids.size()),
      json_id("asr_id", id));
  return {};
}

Status set(Session& session, const Arguments& args) {
  AKM_ASSIGN(const auto policy, parse_policy(args.policy));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const std::vector<AsrSnapshot> asrs, proxy->asrs(dbus::Service::nmm));
  AKM_ASSIGN(const std::uint64_t id, resolve_asr(args.asr, asrs));
  AKM_TRY(shown(session, asrs, id, [&] { return proxy->set_policy(id, policy); }));
  say(session, fmt::format("All members of '{}' have the new policy.", args.asr), json_id("asr_id", id));
  return {};
}

/// `change` on a relationship and a node of the NMM.
Status change_member(Session& session, const Arguments& args,
                     Status (dbus::Proxy::*change)(std::uint64_t, std::uint64_t), std::string_view done) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const std::vector<AsrSnapshot> asrs, proxy->asrs(dbus::Service::nmm));
  AKM_ASSIGN(const std::uint64_t asr, resolve_asr(args.asr, asrs));
  AKM_ASSIGN(const std::vector<nmm::NodeSnapshot> nodes, proxy->nodes());
  AKM_ASSIGN(const std::uint64_t node, resolve_node(args.node, nodes));
  AKM_TRY(shown(session, asrs, asr, [&] { return (proxy->*change)(asr, node); }));
  const bool waits = std::ranges::find(asrs, asr, &AsrSnapshot::id)->phase == "unconfirmed";
  say(session,
      fmt::format("'{}' {} '{}'; its other members {}.", args.node, done, args.asr,
                  waits ? "get a new generation with akmctl asr confirm" : "have a new generation"),
      json_id("asr_id", asr));
  return {};
}

Status change_whole(Session& session, const Arguments& args, Status (dbus::Proxy::*change)(std::uint64_t),
                    std::string_view done) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const std::vector<AsrSnapshot> asrs, proxy->asrs(dbus::Service::nmm));
  AKM_ASSIGN(const std::uint64_t id, resolve_asr(args.asr, asrs));
  AKM_TRY(shown(session, asrs, id, [&] { return (proxy->*change)(id); }));
  say(session, fmt::format("{} '{}'.", done, args.asr), json_id("asr_id", id));
  return {};
}

Status remove_asr(Session& session, const Arguments& args) {
  AKM_TRY(confirm(args.yes, "this retires the relationship on all its members"));
  return change_whole(session, args, &dbus::Proxy::delete_asr, "Deleted");
}

void add_views(CLI::App& group, Session& session, const std::shared_ptr<Arguments>& args) {
  const auto from = [args](CLI::App* sub) {
    sub->add_option("--from", args->from, "Whose view: node, nmm, or auto (the NMM where it is on this bus)")
        ->check(CLI::IsMember({"auto", "node", "nmm"}));
    return sub;
  };
  from(group.add_subcommand("list", "All relationships"))->callback([&session, args] {
    session.command = [&session, args] { return list(session, *args); };
  });
  CLI::App* one = from(
      group.add_subcommand("show", "Everything about one but its secrets; a check value stands for the key"));
  one->add_option("ASR", args->asr, "Name or id")->required();
  one->callback([&session, args] { session.command = [&session, args] { return show(session, *args); }; });
  CLI::App* renew =
      from(group.add_subcommand("rekey", "New keys now: an epoch on a node, a generation on an NMM"));
  renew->add_option("ASR", args->asr, "Name or id")->required();
  renew->callback([&session, args] { session.command = [&session, args] { return rekey(session, *args); }; });
}

}  // namespace

void add_asr_commands(CLI::App& app, Session& session) {
  CLI::App* group = app.add_subcommand("asr", "AKM Security Relationships")->require_subcommand(1);
  const auto args = std::make_shared<Arguments>();
  add_views(*group, session, args);

  CLI::App* make = group->add_subcommand("create", "Make one of these nodes (NMM)");
  make->add_option("LABEL", args->label, "Its name")->required();
  make->add_option("NODE", args->nodes, "Names or ids")->required();
  make->add_option("--policy", args->policy,
                   "KEY=VALUE that differs from the NMM's configuration; may be repeated")
      ->take_all()
      ->allow_extra_args(false);
  make->callback([&session, args] { session.command = [&session, args] { return create(session, *args); }; });

  CLI::App* change = group->add_subcommand("set", "Change policy fields in all its members (NMM)");
  change->add_option("ASR", args->asr, "Name or id")->required();
  change->add_option("KEY=VALUE", args->policy, "Policy fields, such as rekey_interval_s=600")->required();
  change->callback([&session, args] { session.command = [&session, args] { return set(session, *args); }; });

  CLI::App* join = group->add_subcommand("add", "Add a member: all get a new generation (NMM)");
  CLI::App* leave = group->add_subcommand("remove", "Remove a member: the others get a new generation (NMM)");
  for (CLI::App* sub : {join, leave}) {
    sub->add_option("ASR", args->asr, "Name or id")->required();
    sub->add_option("NODE", args->node, "Name or id")->required();
  }
  join->callback([&session, args] {
    session.command = [&session, args] {
      return change_member(session, *args, &dbus::Proxy::add_member, "is in");
    };
  });
  leave->callback([&session, args] {
    session.command = [&session, args] {
      return change_member(session, *args, &dbus::Proxy::remove_member, "is out of");
    };
  });

  CLI::App* sure = group->add_subcommand("confirm", "Say that the members of a restored one are right (NMM)");
  sure->add_option("ASR", args->asr, "Name or id")->required();
  sure->callback([&session, args] {
    session.command = [&session, args] {
      return change_whole(session, *args, &dbus::Proxy::confirm_asr, "New keys went to the members of");
    };
  });
  add_export_commands(*group, session);
  CLI::App* erase = group->add_subcommand("delete", "Retire one on all its members (NMM)");
  erase->add_option("ASR", args->asr, "Name or id")->required();
  erase->add_flag("--yes", args->yes, "Without asking");
  erase->callback(
      [&session, args] { session.command = [&session, args] { return remove_asr(session, *args); }; });
}

}  // namespace akm::ctl
