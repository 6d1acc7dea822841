// akmctl policy: looks at policies on detections. Of files and recorded incidents, without a daemon.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "daemon/policy/catalogue.h"
#include "daemon/service/policy_file.h"
#include "daemon/service/recovery_text.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/simulation.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {
namespace {

using nlohmann::json;
using policy::Grade;

struct Arguments {
  std::vector<std::string> files;
  std::string file = std::string(service::kDefaultPolicyPath);
  std::string detection, incident;
  std::size_t members = 5;
};

struct Whole {
  policy::NodePolicy node;
  policy::AdjudicationPolicy recovery;
};

Result<Whole> whole(const service::Config& config) {
  Whole out;
  AKM_ASSIGN(out.node, service::node_policy(config));
  AKM_ASSIGN(out.recovery, service::recovery_from(config));
  return out;
}

Result<Whole> read(const std::string& path) {
  AKM_ASSIGN(const service::Config config, service::load_policy_file(path));
  return whole(config);
}

json names(const std::vector<policy::Response>& responses) {
  json out = json::array();
  for (const policy::Response one : responses) out.push_back(policy::response_name(one));
  return out;
}

std::string words(const std::vector<policy::Response>& responses) {
  std::string out;
  for (const policy::Response one : responses)
    out += (out.empty() ? "" : " ") + std::string(policy::response_name(one));
  return out;
}

Status check(Session& session, const Arguments& args) {
  for (const std::string& path : args.files) {
    AKM_ASSIGN(const service::Config config, service::Config::load(path, service::policy_file_schema()));
    const auto policy = whole(config);
    if (!policy && policy.error().detail.starts_with(path)) return std::unexpected(policy.error());
    if (!policy) return fail(policy.error().code, path + ": " + policy.error().detail);
    say(session, path + ": good", json{{"file", path}, {"good", true}}.dump());
  }
  return {};
}

json explained(const policy::CatalogueEntry& entry, const policy::ClassPolicy& of_class) {
  return {{"class", entry.name},
          {"row", entry.row},
          {"catches", entry.catches},
          {"attack", entry.attack},
          {"ceiling", policy::grade_name(entry.ceiling)},
          {"at_most", policy::grade_name(of_class.at_most)},
          {"mode", policy::mode_name(of_class.mode)},
          {"on_observe", names(of_class.on_observe)},
          {"on_evidence", names(of_class.on_evidence)},
          {"on_critical", names(of_class.on_critical)},
          {"limit_count", of_class.limit.count},
          {"limit_window_s", of_class.limit.window_s},
          {"excusable", policy::may_be_excused(entry.detection)}};
}

/// Where the class stands in combinations and on the allow-list.
std::string rules_with(const policy::NodePolicy& policy, policy::DetectionClass detection) {
  const auto has = [&](const auto& classes) {
    return std::ranges::find(classes, detection) != classes.end();
  };
  std::string out;
  for (const auto& rule : policy.combinations) {
    if (has(rule.first) || has(rule.then)) out += "combination " + rule.name + "; ";
  }
  for (const auto& one : policy.allowances) {
    if (has(one.classes)) out += "allowed " + one.name + "; ";
  }
  if (has(policy.maintenance.lowers)) out += "lowered in maintenance; ";
  return out.substr(0, out.size() < 2 ? 0 : out.size() - 2);
}

Status explain(Session& session, const Arguments& args) {
  AKM_ASSIGN(const Whole policy, read(args.file));
  Table table({"CLASS", "ROW", "AT MOST", "MODE", "ON EVIDENCE", "ON CRITICAL"});
  std::string text;
  json all = json::array();
  for (const policy::CatalogueEntry& entry : policy::kCatalogue) {
    if (!args.detection.empty() && args.detection != entry.name && args.detection != entry.row) continue;
    const policy::ClassPolicy& of_class = policy.node.of(entry.detection);
    const Grade most = std::min(entry.ceiling, of_class.at_most);
    // What its grade never reaches has no answer.
    const auto answer = [&](Grade grade) {
      return grade <= most ? words(of_class.on(grade)) : std::string();
    };
    table.row({std::string(entry.name), std::string(entry.row), std::string(policy::grade_name(most)),
               std::string(policy::mode_name(of_class.mode)), answer(Grade::evidence),
               answer(Grade::critical)});
    text += facts({{"Class", std::string(entry.name)},
                   {"Catches", std::string(entry.catches)},
                   {"Row", std::string(entry.row)},
                   {"ATT&CK", std::string(entry.attack)},
                   {"Ceiling", std::string(policy::grade_name(entry.ceiling))},
                   {"At most", std::string(policy::grade_name(most))},
                   {"Mode", std::string(policy::mode_name(of_class.mode))},
                   {"On observe", words(of_class.on_observe)},
                   {"On evidence", answer(Grade::evidence)},
                   {"On critical", answer(Grade::critical)},
                   {"Limit", fmt::format("{} in {} s", of_class.limit.count, of_class.limit.window_s)},
                   {"Rules", rules_with(policy.node, entry.detection)}}) +
            "\n";
    all.push_back(explained(entry, of_class));
  }
  if (all.empty()) return fail(Errc::not_found, "no such class or row: " + args.detection);
  say(session, args.detection.empty() ? table.text() : text, all.dump());
  return {};
}

std::string seconds(std::int64_t ns) {
  return fmt::format("+{:.3f} s", static_cast<double>(ns) / 1e9);
}

Status simulate_incident(Session& session, const Arguments& args) {
  AKM_ASSIGN(const Whole policy, read(args.file));
  AKM_ASSIGN(const std::vector<IncidentRecord> records, read_incident(args.incident));
  Table table({"TIME", "NODE", "CLASS", "WAS", "IS", "DONE", "NOT DONE", "NMM"});
  const std::int64_t begin = records.empty() ? 0 : records.front().detection.boottime_ns;
  for (const SimulatedStep& step : simulate(records, policy.node, policy.recovery, args.members)) {
    const policy::Decision& decision = step.judged.decision;
    const std::string name(policy::detection_name(step.judged.detection.detection));
    const std::string was =
        step.record == nullptr ? "combined" : std::string(policy::grade_name(step.record->recorded));
    const std::string node = step.record == nullptr ? "" : step.record->node;
    table.row({seconds(step.judged.detection.boottime_ns - begin), node, name, was,
               std::string(policy::grade_name(decision.grade)), words(decision.actions),
               words(decision.would_do), step.verdict});
    if (!session.options.json) continue;
    say(session, "",
        json{{"boottime_ns", step.judged.detection.boottime_ns},
             {"node", node},
             {"class", name},
             {"was", was},
             {"grade", policy::grade_name(decision.grade)},
             {"actions", names(decision.actions)},
             {"not_done", names(decision.would_do)},
             {"reason", decision.reason},
             {"verdict", step.verdict},
             {"why", step.why}}
            .dump());
  }
  if (!session.options.json) say(session, table.text(), "");
  return {};
}

}  // namespace

void add_policy_commands(CLI::App& app, Session& session) {
  const auto args = std::make_shared<Arguments>();
  CLI::App* group =
      app.add_subcommand("policy", "What follows a detection (akm-policy(5))")->require_subcommand(1);
  CLI::App* one = group->add_subcommand("check", "Say what is wrong with policy files and their drop-ins");
  one->add_option("FILE", args->files, "As /etc/akm/policy.toml")->required();
  one->callback([&session, args] { session.command = [&session, args] { return check(session, *args); }; });
  group->add_subcommand("example", "A documented file with every key at its default")->callback([&session] {
    session.command = [&session]() -> Status {
      const std::string text = service::example_config(service::kPolicyTitle, service::policy_file_schema());
      say(session, text, json(text).dump());
      return {};
    };
  });
  one = group->add_subcommand("explain", "What a policy says of a class, or of all");
  one->add_option("CLASS", args->detection, "As key-access, or its row, as D1");
  CLI::App* two = group->add_subcommand("simulate", "What a policy would have done with a recorded incident");
  two->add_option("INCIDENT", args->incident, "File of JSON lines, as akmctl incident export writes it")
      ->required();
  two->add_option("--members", args->members, "Members of the relationship")
      ->check(CLI::Range(2, 4096))
      ->capture_default_str();
  for (CLI::App* command : {one, two})
    command->add_option("--file", args->file, "The policy; where there is none, the defaults")
        ->capture_default_str();
  add_running_policy_commands(*group, session);
  one->callback([&session, args] { session.command = [&session, args] { return explain(session, *args); }; });
  two->callback(
      [&session, args] { session.command = [&session, args] { return simulate_incident(session, *args); }; });
}

}  // namespace akm::ctl
