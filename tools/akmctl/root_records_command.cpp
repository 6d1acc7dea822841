#include <fmt/chrono.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <memory>

#include "daemon/base/hex.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/confirm.h"
#include "tools/akmctl/root_commands.h"
#include "tools/akmctl/root_json.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {
namespace {

using store::RecordKind;

// All pages; `next` gets the last row of the page before, or nothing.
template <typename Row, typename Next>
Result<std::vector<Row>> all_pages(Next next) {
  std::vector<Row> out;
  for (;;) {
    AKM_ASSIGN(std::vector<Row> page, next(out.empty() ? nullptr : &out.back()));
    if (page.empty()) return out;
    out.insert(out.end(), std::make_move_iterator(page.begin()), std::make_move_iterator(page.end()));
  }
}

std::string when(std::int64_t unix_ns) {
  const auto seconds = static_cast<std::time_t>(unix_ns / 1'000'000'000);
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return {};
  return fmt::format("{:%Y-%m-%d %H:%M:%SZ}", parts);
}

std::string text_of(const store::Fields& fields) {
  std::string out;
  for (const auto& [name, value] : fields) out += (out.empty() ? "" : " ") + name + "=" + value;
  return out;
}

std::string changed_text(const store::Change& change) {
  if (!change.after) return "removed";
  const store::Fields none;
  const store::Fields& before = change.before ? *change.before : none;
  std::string out = change.before ? "" : "made";
  for (const auto& [name, value] : *change.after) {
    const auto was = before.find(name);
    if (was != before.end() && was->second == value) continue;
    out += (out.empty() ? "" : " ") + name + "=" + value;
  }
  for (const auto& [name, value] : before) {
    if (!change.after->contains(name)) out += (out.empty() ? "-" : " -") + name;
  }
  return out;
}

struct Record {
  RecordKind kind = RecordKind::domain;
  std::uint64_t id = 1;
};

/// "domain", or a kind and the id.
Result<Record> record_from(const std::string& kind, const std::string& id) {
  Record out;
  AKM_ASSIGN(out.kind, store::kind_from(kind));
  if (out.kind == RecordKind::domain && id.empty()) return out;
  AKM_ASSIGN(out.id, parse_hex_id(id));
  return out;
}

struct Arguments {
  std::string kind, id, nmm;
  std::vector<std::string> fields;
  std::int64_t expected = -1;
  std::uint64_t from = 0, to = 0, keep = 0;
  bool yes = false;
};

Status get(Session& session, const Arguments& args) {
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  if (args.id.empty() && args.kind != "domain") {
    AKM_ASSIGN(const RecordKind kind, store::kind_from(args.kind));
    auto records = all_pages<store::ConfigRecord>(
        [&](const store::ConfigRecord* last) { return root.records(kind, last == nullptr ? 0 : last->id); });
    if (!records) return std::unexpected(records.error());
    Table table({"ID", "REVISION", "FIELDS"});
    for (const auto& one : *records)
      table.row({hex_id(one.id), std::to_string(one.revision), text_of(one.fields)});
    say(session, table.empty() ? "There are no such records." : table.text(), json_of(*records));
    return {};
  }
  AKM_ASSIGN(const Record which, record_from(args.kind, args.id));
  AKM_ASSIGN(const store::ConfigRecord record, root.get(which.kind, which.id));
  std::vector<std::pair<std::string, std::string>> lines{{"Revision", std::to_string(record.revision)}};
  lines.insert(lines.end(), record.fields.begin(), record.fields.end());
  say(session, facts(lines), json_of(record));
  return {};
}

Status set(Session& session, const Arguments& args) {
  AKM_ASSIGN(const Record which, record_from(args.kind, args.id));
  store::Fields changes;
  for (const std::string& field : args.fields) {
    const std::size_t equals = field.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(Errc::invalid_argument, "a field is NAME=VALUE, or NAME= to remove it");
    changes[field.substr(0, equals)] = field.substr(equals + 1);
  }
  std::optional<std::uint64_t> expected;
  if (args.expected >= 0) expected = static_cast<std::uint64_t>(args.expected);
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  AKM_ASSIGN(const std::uint64_t revision, root.set(which.kind, which.id, changes, expected));
  say(session, fmt::format("Revision {}.", revision), fmt::format("{{\"revision\":{}}}", revision));
  return {};
}

Status remove(Session& session, const Arguments& args) {
  AKM_ASSIGN(const Record which, record_from(args.kind, args.id));
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  AKM_ASSIGN(const std::uint64_t revision, root.remove(which.kind, which.id));
  say(session, fmt::format("Revision {}.", revision), fmt::format("{{\"revision\":{}}}", revision));
  return {};
}

Status history(Session& session, const Arguments& args) {
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  auto changes = all_pages<store::Change>(
      [&](const store::Change* last) { return root.history(last == nullptr ? args.from : last->revision); });
  if (!changes) return std::unexpected(changes.error());
  Table table({"REVISION", "WHEN", "WHO", "RECORD", "CHANGE"});
  for (const store::Change& one : *changes) {
    const std::string note = one.rollback_to == 0 ? "" : fmt::format(" (rollback to {})", one.rollback_to);
    table.row({std::to_string(one.revision), when(one.unix_ns), one.who,
               fmt::format("{} {}", store::kind_name(one.kind), hex_id(one.id)), changed_text(one) + note});
  }
  say(session, table.empty() ? "Nothing was changed." : table.text(), json_of(*changes));
  return {};
}

Status diff(Session& session, const Arguments& args) {
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  AKM_ASSIGN(const auto differences, root.diff(args.from, args.to));
  Table table({"RECORD", "FIELD", "BEFORE", "AFTER"});
  for (const store::FieldDifference& one : differences) {
    table.row({fmt::format("{} {}", store::kind_name(one.kind), hex_id(one.id)), one.field,
               one.before ? *one.before : "", one.after ? *one.after : ""});
  }
  say(session, table.empty() ? "They are the same." : table.text(), json_of(differences));
  return {};
}

Status rollback(Session& session, const Arguments& args) {
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  AKM_ASSIGN(const std::uint64_t revision, root.rollback(args.to));
  say(session, fmt::format("All is as it was at revision {}; this is revision {}.", args.to, revision),
      fmt::format("{{\"revision\":{}}}", revision));
  return {};
}

/// Up to which revision: what is before --before, or all but the newest --keep.
Status prune(Session& session, const Arguments& args) {
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  if ((args.from == 0) == (args.keep == 0))
    return fail(Errc::invalid_argument, "say either --before REVISION or --keep CHANGES");
  AKM_TRY(confirm(args.yes, "this drops old changes for good; nothing goes back to before them"));
  std::uint64_t upto = args.from == 0 ? 0 : args.from - 1;
  if (args.keep != 0) {
    AKM_ASSIGN(const root::StatusSnapshot status, root.status());
    upto = status.revision > args.keep ? status.revision - args.keep : 0;
  }
  const std::uint64_t none = 0;
  AKM_ASSIGN(const std::uint64_t rows, upto == 0 ? Result<std::uint64_t>(none) : root.prune_history(upto));
  say(session,
      upto == 0 ? "There is nothing before that."
                : fmt::format("{} changes up to revision {} are gone from the history; the rest is verified "
                              "as before.",
                              rows, upto),
      fmt::format("{{\"pruned_to\":{},\"rows\":{}}}", upto, rows));
  return {};
}

Result<std::uint64_t> chosen_nmm(dbus::RootProxy& root, const std::string& name) {
  if (name.empty()) return 0;
  AKM_ASSIGN(const auto nmms, root.nmms());
  return resolve_nmm(name, nmms);
}

Status reports(Session& session, const Arguments& args, RecordKind kind) {
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  AKM_ASSIGN(const std::uint64_t nmm, chosen_nmm(root, args.nmm));
  auto rows = all_pages<store::ReportRow>([&](const store::ReportRow* last) {
    return root.reports(kind, nmm, last == nullptr ? 0 : last->nmm_id, last == nullptr ? 0 : last->id);
  });
  if (!rows) return std::unexpected(rows.error());
  Table table({"NMM", "ID", "REPORTED", "FIELDS"});
  for (const auto& row : *rows)
    table.row({hex_id(row.nmm_id), hex_id(row.id), when(row.unix_ns), text_of(row.fields)});
  say(session, table.empty() ? "Nothing was reported." : table.text(), json_of(*rows));
  return {};
}

Status incidents(Session& session, const Arguments& args) {
  AKM_ASSIGN(dbus::RootProxy root, reach_root(session));
  AKM_ASSIGN(const std::uint64_t nmm, chosen_nmm(root, args.nmm));
  auto rows = all_pages<store::IncidentRow>([&](const store::IncidentRow* last) {
    return root.incidents(nmm, last == nullptr ? args.from : last->number);
  });
  if (!rows) return std::unexpected(rows.error());
  Table table({"NUMBER", "REPORTED", "NMM", "INCIDENT", "NODE", "FIELDS"});
  for (const auto& row : *rows) {
    table.row({std::to_string(row.number), when(row.unix_ns), hex_id(row.nmm_id), row.name,
               row.node_id == 0 ? "" : hex_id(row.node_id), text_of(row.fields)});
  }
  say(session, table.empty() ? "Nothing was reported." : table.text(), json_of(*rows));
  return {};
}

using Command = Status (*)(Session&, const Arguments&);

void run_later(CLI::App* sub, Session& session, const std::shared_ptr<Arguments>& args, Command command) {
  sub->callback([&session, args, command] {
    session.command = [&session, args, command] { return command(session, *args); };
  });
}

}  // namespace

void add_root_record_commands(CLI::App* root, Session& session) {
  const auto args = std::make_shared<Arguments>();
  const auto record = [&](CLI::App* sub) {
    sub->add_option("KIND", args->kind, "domain, nmm, node, asr or policy")->required();
    return sub->add_option("ID", args->id, "16 hex digits; not for the domain");
  };
  CLI::App* reading = root->add_subcommand("get", "A record of the configuration, or all of a kind");
  record(reading);
  run_later(reading, session, args, get);
  CLI::App* setting =
      root->add_subcommand("set", "Change fields of a record; it is made where it is missing");
  record(setting);
  setting->add_option("--field,-f", args->fields, "NAME=VALUE, or NAME= to remove it; may be repeated")
      ->required();
  setting->add_option("--expected-revision", args->expected, "Only if the record is of this revision");
  run_later(setting, session, args, set);
  CLI::App* removing = root->add_subcommand("remove", "Remove a record");
  record(removing);
  run_later(removing, session, args, remove);

  CLI::App* past = root->add_subcommand("history", "Who changed what");
  past->add_option("--after", args->from, "Only what came after this revision");
  // Called after that of `prune`, which is below it.
  past->callback([&session, args, past] {
    if (!past->get_subcommands().empty()) return;
    session.command = [&session, args] { return history(session, *args); };
  });
  CLI::App* old = past->add_subcommand("prune", "Drop old changes; nothing goes back to before them");
  old->add_option("--before", args->from, "Changes before this revision");
  old->add_option("--keep", args->keep, "All but so many of the newest");
  old->add_flag("--yes", args->yes, "Without asking");
  run_later(old, session, args, prune);
  CLI::App* comparing = root->add_subcommand("diff", "What differs between two revisions, by field");
  comparing->add_option("FROM", args->from, "A revision; 0 is the empty configuration")->required();
  comparing->add_option("TO", args->to, "A revision")->required();
  run_later(comparing, session, args, diff);
  CLI::App* back = root->add_subcommand("rollback", "Bring all records back to a revision, by new changes");
  back->add_option("REVISION", args->to, "What to go back to")->required();
  run_later(back, session, args, rollback);

  CLI::App* nodes = root->add_subcommand("nodes", "Nodes as their NMMs reported them");
  nodes->add_option("--nmm", args->nmm, "Only of this NMM");
  run_later(nodes, session, args,
            [](Session& s, const Arguments& a) { return reports(s, a, RecordKind::node); });
  CLI::App* asrs = root->add_subcommand("asrs", "Relationships as their NMMs reported them");
  asrs->add_option("--nmm", args->nmm, "Only of this NMM");
  run_later(asrs, session, args,
            [](Session& s, const Arguments& a) { return reports(s, a, RecordKind::asr); });
  CLI::App* trouble = root->add_subcommand("incidents", "Incidents that NMMs reported");
  trouble->add_option("--nmm", args->nmm, "Only of this NMM");
  trouble->add_option("--after", args->from, "Only those with a greater number");
  run_later(trouble, session, args, incidents);
}

}  // namespace akm::ctl
