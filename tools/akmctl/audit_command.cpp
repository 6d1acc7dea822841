// The audit log and its incidents, of the node and of the NMM alike.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>

#include "daemon/base/hex.h"
#include "daemon/store/audit_check.h"
#include "dbus/limits.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/incident_view.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {
namespace {

struct Arguments {
  std::string of, path, incident;
  std::uint64_t after = 0;
  std::uint64_t most = 0;
};
using Args = std::shared_ptr<Arguments>;

struct Asked {
  dbus::Proxy* proxy = nullptr;
  dbus::Service service{};
};

Result<Asked> ask(Session& session, const Arguments& args) {
  dbus::Service service = dbus::Service::node;
  if (args.of == "nmm") service = dbus::Service::nmm;
  if (args.of.empty()) {
    AKM_ASSIGN(service, session.either());
  }
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(service));
  return Asked{proxy, service};
}

/// The node's own name: its records do not repeat it.
Result<std::string> name_of(const Asked& asked) {
  if (asked.service != dbus::Service::node) return std::string();
  AKM_ASSIGN(const auto status, asked.proxy->node_status());
  return status.node_name;
}

Status each_record(const Asked& asked, std::uint64_t after, std::uint64_t incident, std::uint64_t most,
                   const std::function<void(const AuditRecord&)>& show) {
  std::uint64_t shown = 0;
  for (;;) {
    AKM_ASSIGN(const auto page, asked.proxy->audit_records(asked.service, after, incident));
    if (page.empty()) return {};
    for (const AuditRecord& record : page) {
      if (most != 0 && shown == most) return {};
      show(record);
      after = record.number;
      ++shown;
    }
  }
}

/// Seals of a log that lies in a folder: only the daemon that made them can tell.
std::string check_seals(Session& session, const Arguments& args, const std::vector<AuditSeal>& seals,
                        AuditVerdict& verdict) {
  const auto asked = ask(session, args);
  if (!asked) return "The seals were not checked: " + asked.error().message();
  for (std::size_t at = 0; at < seals.size(); at += dbus::limits::kAuditSeals) {
    const auto some = std::span(seals).subspan(at, std::min(seals.size() - at, dbus::limits::kAuditSeals));
    const auto bad = asked->proxy->check_audit_seals(asked->service, {some.begin(), some.end()});
    if (!bad) return "The seals were not checked: " + bad.error().message();
    for (const std::uint64_t number : *bad)
      verdict.findings.push_back("the seal in record " + std::to_string(number) +
                                 " was not made by this daemon");
    for (const AuditSeal& seal : some) {
      if (std::ranges::find(*bad, seal.number) == bad->end())
        verdict.sealed = std::max(verdict.sealed, seal.number);
    }
  }
  return {};
}

Result<AuditVerdict> look(Session& session, const Arguments& args) {
  if (args.path.empty()) {
    AKM_ASSIGN(const Asked asked, ask(session, args));
    return asked.proxy->verify_audit(asked.service);
  }
  AKM_ASSIGN(auto found, store::check_audit(args.path, {}));
  AuditVerdict& verdict = found.verdict;
  if (!found.seals.empty()) {
    const std::string why = check_seals(session, args, found.seals, verdict);
    if (!why.empty()) verdict.notes.push_back(why);
  }
  verdict.notes.emplace_back("how long the log was is known to its daemon only (akmctl audit verify)");
  return verdict;
}

Status verify(Session& session, const Arguments& args) {
  AKM_ASSIGN(const AuditVerdict verdict, look(session, args));
  std::string text = fmt::format("{} records ({} to {}) in {} files; sealed up to {}\n", verdict.records,
                                 verdict.first, verdict.last, verdict.files, verdict.sealed);
  for (const std::string& note : verdict.notes) text += "Note: " + note + "\n";
  for (const std::string& finding : verdict.findings) text += "Damage: " + finding + "\n";
  text += verdict.findings.empty() ? "The log is intact.\n" : "";
  say(session, text,
      nlohmann::json{{"intact", verdict.findings.empty()},
                     {"files", verdict.files},
                     {"records", verdict.records},
                     {"first", verdict.first},
                     {"last", verdict.last},
                     {"sealed", verdict.sealed},
                     {"findings", verdict.findings},
                     {"notes", verdict.notes}}
          .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  if (!verdict.findings.empty()) return fail(Errc::state_corrupt, "the audit log is damaged");
  return {};
}

Status export_records(Session& session, const Arguments& args, bool for_people) {
  session.options.json = !for_people || session.options.json;
  const auto show = [&](const AuditRecord& record, const std::string& node) {
    say(session, text_of(record), json_of(record, node));
  };
  if (!args.path.empty()) {
    const auto visit = [&](const AuditRecord& record, const auto&, const auto&) { show(record, ""); };
    AKM_ASSIGN(const auto found,
               store::check_audit(args.path, {.key = nullptr, .anchor = {}, .visit = visit}));
    if (!found.verdict.findings.empty()) return fail(Errc::state_corrupt, found.verdict.findings.front());
    return {};
  }
  AKM_ASSIGN(const Asked asked, ask(session, args));
  AKM_ASSIGN(const std::string node, name_of(asked));
  return each_record(asked, args.after, 0, args.most, [&](const AuditRecord& one) { show(one, node); });
}

Result<std::uint64_t> incident_id(const Arguments& args) {
  const auto id = parse_hex_id(args.incident);
  if (!id || *id == 0) return fail(Errc::invalid_argument, "an incident is given by its 16 hex digits");
  return *id;
}

Status list(Session& session, const Arguments& args) {
  AKM_ASSIGN(const Asked asked, ask(session, args));
  Table table({"INCIDENT", "CLASS", "GRADE", "NODE", "SINCE BOOT", "RECORDS", "LAST"});
  std::string lines;
  for (std::uint64_t after = 0;;) {
    AKM_ASSIGN(const auto page, asked.proxy->audit_incidents(asked.service, after));
    if (page.empty()) break;
    for (const IncidentSummary& one : page) {
      after = one.first;
      table.row({hex_id(one.id), one.detection, one.grade, one.node,
                 fmt::format("{:.3f} s", static_cast<double>(one.boottime_ns) / 1e9),
                 std::to_string(one.records), one.state});
      lines += json_of(one) + "\n";
    }
  }
  say(session, table.empty() ? "No incidents are in the audit log.\n" : table.text(), lines);
  return {};
}

Status show(Session& session, const Arguments& args, bool lines) {
  AKM_ASSIGN(const std::uint64_t id, incident_id(args));
  AKM_ASSIGN(const Asked asked, ask(session, args));
  IncidentView view{.id = id, .node = {}, .records = {}};
  AKM_ASSIGN(view.node, name_of(asked));
  AKM_TRY(each_record(asked, 0, id, 0, [&](const AuditRecord& one) { view.records.push_back(one); }));
  if (view.records.empty()) return fail(Errc::not_found, "incident " + args.incident);
  if (!lines) {
    say(session, view.text(), view.json());
    return {};
  }
  std::string out;
  for (const AuditRecord& record : view.records) out += json_of(record, view.node) + "\n";
  say(session, out, out);
  return {};
}

CLI::App* add(CLI::App& parent, Session& session, const Args& args, const char* name, const char* what,
              std::function<Status()> command) {
  CLI::App* one = parent.add_subcommand(name, what);
  one->add_option("--of", args->of, "Whose log; without it the NMM's where there is one, else the node's")
      ->check(CLI::IsMember({"node", "nmm"}));
  one->callback([&session, command = std::move(command)] { session.command = command; });
  return one;
}

}  // namespace

void add_audit_commands(CLI::App& app, Session& session) {
  const Args args = std::make_shared<Arguments>();
  CLI::App* audit = app.add_subcommand("audit", "The audit log")->require_subcommand(1);
  CLI::App* check = add(*audit, session, args, "verify", "Whether the audit log is as it was written",
                        [&session, args] { return verify(session, *args); });
  check->add_option("path", args->path,
                    "A folder with a log, or one of its files, instead of the daemon's own");
  for (const bool for_people : {true, false}) {
    CLI::App* one = add(*audit, session, args, for_people ? "show" : "export",
                        for_people ? "Records for people" : "Records as JSON, one a line",
                        [&session, args, for_people] { return export_records(session, *args, for_people); });
    one->add_option("path", args->path,
                    "A folder with a log, or one of its files, instead of the daemon's own");
    one->add_option("--after", args->after, "Records with higher numbers than this");
    one->add_option("--count", args->most, "At most so many");
  }
  CLI::App* incident = app.add_subcommand("incident", "All records of one cause")->require_subcommand(1);
  add(*incident, session, args, "list", "All incidents in the audit log",
      [&session, args] { return list(session, *args); });
  CLI::App* timeline = add(*incident, session, args, "show", "The timeline, and who has the new keys",
                           [&session, args] { return show(session, *args, false); });
  timeline->add_option("incident", args->incident, "16 hex digits, as of list")->required();
  CLI::App* lines = add(*incident, session, args, "export", "Its records as JSON, one a line",
                        [&session, args] { return show(session, *args, true); });
  lines->add_option("incident", args->incident, "16 hex digits, as of list")->required();
}

}  // namespace akm::ctl
