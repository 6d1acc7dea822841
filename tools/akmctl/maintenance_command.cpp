// akmctl maintenance: windows in which evidence of harmless work is only observed; and akmctl policy of
// running daemons.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/base/hex.h"
#include "daemon/base/instant.h"
#include "daemon/service/policy_file.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/names.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {
namespace {

using nlohmann::json;

constexpr const char* kDone = R"({"done":true})";
constexpr std::size_t kFileBytes = std::size_t{64} << 10;

struct Arguments {
  std::string asr, node, length, why, file;
  bool domain = false;
};
using Shared = std::shared_ptr<Arguments>;

struct Place {
  dbus::Service service = dbus::Service::node;
  std::string scope;  // "": this node
};

/// Without an option it is this node.
Result<Place> place_of(Session& session, const Arguments& args) {
  if (!args.domain && args.asr.empty() && args.node.empty()) return Place{};
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  if (args.domain) return Place{dbus::Service::nmm, "domain"};
  if (!args.asr.empty()) {
    AKM_ASSIGN(const auto asrs, proxy->asrs(dbus::Service::nmm));
    AKM_ASSIGN(const std::uint64_t id, resolve_asr(args.asr, asrs));
    return Place{dbus::Service::nmm, "asr:" + hex_id(id)};
  }
  AKM_ASSIGN(const auto nodes, proxy->nodes());
  AKM_ASSIGN(const std::uint64_t id, resolve_node(args.node, nodes));
  return Place{dbus::Service::nmm, "node:" + hex_id(id)};
}

Status start(Session& session, const Arguments& args) {
  AKM_ASSIGN(const std::uint32_t seconds, window_seconds(args.length));
  AKM_ASSIGN(const Place place, place_of(session, args));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(place.service));
  AKM_TRY(proxy->start_maintenance(place.service, place.scope, seconds, args.why));
  say(session, fmt::format("A maintenance window is open for {} s.", seconds), kDone);
  return {};
}

Status stop(Session& session, const Arguments& args) {
  AKM_ASSIGN(const Place place, place_of(session, args));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(place.service));
  AKM_TRY(proxy->stop_maintenance(place.service, place.scope));
  say(session, "The maintenance window is closed.", kDone);
  return {};
}

Status show(Session& session) {
  AKM_ASSIGN(const dbus::Service service, session.either());
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(service));
  AKM_ASSIGN(const std::vector<MaintenanceFacts> windows, proxy->maintenance(service));
  Table table({"SCOPE", "SECONDS LEFT", "WHY"});
  json all = json::array();
  const std::int64_t now = boottime_now().ns;
  for (const MaintenanceFacts& one : windows) {
    const std::int64_t left = std::max<std::int64_t>(one.until_ns - now, 0) / 1'000'000'000;
    table.row({one.scope.empty() ? "this node" : one.scope, std::to_string(left), one.why});
    all.push_back({{"scope", one.scope},
                   {"since_boottime_ns", one.since_ns},
                   {"until_boottime_ns", one.until_ns},
                   {"why", one.why}});
  }
  say(session, table.empty() ? "No maintenance window is open." : table.text(), all.dump());
  return {};
}

Status show_policy(Session& session, const Arguments& args) {
  AKM_ASSIGN(const Place place, place_of(session, args));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(place.service));
  AKM_ASSIGN(const auto known, proxy->policy_facts(place.service, place.scope));
  const auto fact = [&](const char* name) { return known.contains(name) ? known.at(name) : std::string(); };
  say(session,
      facts({{"Source", fact("source")}, {"Digest", fact("digest")}, {"Waiting for", fact("waiting")}}),
      json(known).dump());
  return {};
}

Status set_policy(Session& session, const Arguments& args, bool clear) {
  AKM_ASSIGN(const Place place, place_of(session, args));
  std::string text;
  if (!clear) {
    AKM_ASSIGN(text, policy_text(args.file));
    if (text.empty()) return fail(Errc::invalid_argument, args.file + " is empty: see akmctl policy clear");
  }
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(place.service));
  AKM_TRY(proxy->set_policy_text(place.service, place.scope, text));
  say(session, "Stored: each node is told until it has answered (akmctl policy show).", kDone);
  return {};
}

void add_scope(CLI::App& app, const Shared& args, bool nodes) {
  auto* scope = app.add_option_group("scope", "At the NMM; without one of these, of this node");
  scope->add_flag("--domain", args->domain, "All nodes of the NMM");
  scope->add_option("--asr", args->asr, "The members of this relationship");
  if (nodes) scope->add_option("--node", args->node, "This node");
  scope->require_option(0, 1);
}

}  // namespace

Result<std::string> policy_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (!in.is_open() || in.bad()) return fail(Errc::io_failed, path);
  std::error_code none;
  if (std::filesystem::is_directory(path + ".d", none)) {
    AKM_ASSIGN(const service::Config config, service::Config::load(path, service::policy_file_schema()));
    text = service::text_of(config.set_values(), config.set_tables());
  }
  if (text.size() > kFileBytes) return fail(Errc::too_large, path);
  return text;
}

Result<std::uint32_t> window_seconds(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  const std::uint64_t of_unit = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  constexpr std::uint64_t kDay = 86400;
  if (error != std::errc() || of_unit == 0 || number == 0 || number > kDay || number * of_unit > kDay)
    return fail(Errc::invalid_argument, "--for takes a length of at most a day, as in 90s, 30m or 2h");
  return static_cast<std::uint32_t>(number * of_unit);
}

void add_maintenance_commands(CLI::App& app, Session& session) {
  const auto args = std::make_shared<Arguments>();
  CLI::App* group = app.add_subcommand("maintenance", "Windows for work that would else count as evidence")
                        ->require_subcommand(1);
  CLI::App* one = group->add_subcommand("start", "Open a window");
  one->add_option("--for", args->length, "Its length: 90s, 30m, 2h")->required();
  one->add_option("--why", args->why, "The reason, for the record")->required();
  add_scope(*one, args, true);
  one->callback([&session, args] { session.command = [&session, args] { return start(session, *args); }; });
  one = group->add_subcommand("stop", "Close it");
  add_scope(*one, args, true);
  one->callback([&session, args] { session.command = [&session, args] { return stop(session, *args); }; });
  group->add_subcommand("show", "What is open, of the NMM where there is one on this bus")
      ->callback([&session] { session.command = [&session] { return show(session); }; });
}

void add_running_policy_commands(CLI::App& group, Session& session) {
  const auto args = std::make_shared<Arguments>();
  CLI::App* one = group.add_subcommand("show", "Which policy is in force");
  add_scope(*one, args, false);
  one->callback(
      [&session, args] { session.command = [&session, args] { return show_policy(session, *args); }; });
  for (const bool clear : {false, true}) {
    one = clear ? group.add_subcommand("clear", "Let the nodes' own files hold again")
                : group.add_subcommand("set", "Send a policy file to the nodes of an NMM");
    if (!clear)
      one->add_option("FILE", args->file, "As /etc/akm/policy.toml; drop-ins of FILE.d are sent with it")
          ->required();
    add_scope(*one, args, false);
    one->callback([&session, args, clear] {
      session.command = [&session, args, clear] { return set_policy(session, *args, clear); };
    });
  }
}

}  // namespace akm::ctl
