#include "daemon/service/policy_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/policy/grading.h"
#include "daemon/service/recovery_text.h"

namespace akm::service {
namespace {

using policy::ClassPolicy;
using policy::DetectionClass;
using policy::Grade;
using policy::Response;
using Texts = std::vector<std::string>;

Setting text(std::string name, Value standard, std::string doc, Texts choices = {}) {
  return {.name = std::move(name),
          .standard = std::move(standard),
          .doc = std::move(doc),
          .choices = std::move(choices)};
}

Setting number(std::string name, std::int64_t standard, std::string doc, std::int64_t minimum,
               std::int64_t maximum) {
  Setting out = text(std::move(name), standard, std::move(doc));
  out.minimum = minimum;
  out.maximum = maximum;
  return out;
}

Texts names_of(const std::vector<Response>& responses) {
  Texts out;
  for (const Response response : responses) out.emplace_back(policy::response_name(response));
  return out;
}

Texts names_of(const std::vector<DetectionClass>& classes) {
  Texts out;
  for (const DetectionClass detection : classes) out.emplace_back(policy::detection_name(detection));
  return out;
}

std::string table_of(DetectionClass detection) {
  return "responses." + std::string(policy::detection_name(detection)) + ".";
}

Texts grades_up_to(Grade most) {
  Texts out;
  for (const Grade grade : {Grade::observe, Grade::evidence, Grade::critical}) {
    if (grade <= most) out.emplace_back(policy::grade_name(grade));
  }
  return out;
}

void add_class(Schema& schema, DetectionClass detection, const ClassPolicy& standard) {
  const std::string table = table_of(detection);
  schema.push_back(text(table + "mode", std::string(policy::mode_name(standard.mode)),
                        "Observe says only what would be done.", {"observe", "enforce"}));
  const Grade ceiling = policy::grade_ceiling(detection);
  schema.push_back(text(table + "at_most", std::string(policy::grade_name(ceiling)),
                        "The highest grade that counts; it lowers and never raises.", grades_up_to(ceiling)));
  schema.push_back(
      text(table + "on_observe", names_of(standard.on_observe), "Answer to an observation: signal, log."));
  schema.push_back(text(table + "on_evidence", names_of(standard.on_evidence),
                        "Answer to evidence: revoke-local, quarantine, report, rekey, hook, signal, log."));
  schema.push_back(text(table + "on_critical", names_of(standard.on_critical),
                        "Answer to a critical detection: as to evidence, and zeroize."));
  schema.push_back(number(table + "limit_count", standard.limit.count,
                          "So many answers, without log and revoke-local, within the window.", 1, 1000));
  schema.push_back(
      number(table + "limit_window_s", standard.limit.window_s, "The window, seconds.", 1, 86400));
}

void add_rules(Schema& schema, const policy::NodePolicy& standard) {
  schema.push_back(text("policy.standard_combinations", true,
                        "Keep the combinations that are built in: blinded (module-load or bpf-use, and "
                        "sensor-tampering, within 60 s), usb-then-tampering (usb-insertion, then "
                        "state-tampering, config-tampering or service-tampering, within 600 s)."));
  schema.push_back(text("combinations[].name", std::string(), "Letters, digits and '-'."));
  schema.push_back(text("combinations[].first", Texts{}, "Any of these classes,"));
  schema.push_back(text("combinations[].then", Texts{},
                        "and any of these after it, is a critical detection of class combined-evidence."));
  schema.push_back(number("combinations[].within_s", 60, "Seconds between the two.", 1, 86400));
  schema.push_back(text("combinations[].any_order", false, "The second may come first."));
  schema.push_back(text("combinations[].outside_maintenance", false,
                        "What comes in a maintenance window does not count."));
  schema.push_back(text("allow[].name", std::string(), "Letters, digits and '-': for the record."));
  schema.push_back(text("allow[].classes", Texts{}, "Classes whose evidence is an observation only,"));
  schema.push_back(text("allow[].digest", std::string(),
                        "when the executable has this SHA-256 (64 hex digits; empty: any)"));
  schema.push_back(text("allow[].cgroup", std::string(),
                        "and runs in this cgroup, as in \"/system.slice/x.service\" (empty: any)."));
  schema.push_back(text("maintenance.lowers", names_of(standard.maintenance.lowers),
                        "Classes whose evidence is an observation only while a window is open."));
  schema.push_back(number("maintenance.longest_s", standard.maintenance.longest_s,
                          "Seconds that one window lasts at most.", 60, policy::kMaintenanceMaxS));
  schema.push_back(text("maintenance.at_node", true,
                        "A window may be opened at the node itself; false: by its NMM alone."));
  schema.push_back(
      text("hook.program", std::string(),
           "Program of the response hook, an absolute path; it and its folders belong to root "
           "and nobody else may write to them. It is run without arguments and without a shell."));
  schema.push_back(number("hook.timeout_s", standard.hook.timeout_s, "Seconds after which it is killed.", 1,
                          policy::kHookMaxS));
}

template <typename T>
Result<std::vector<T>> read_names(const Config& config, const std::string& name, std::string_view what,
                                  std::optional<T> (*by_name)(std::string_view)) {
  std::vector<T> out;
  for (const std::string& one : config.list(name)) {
    const auto value = by_name(one);
    if (!value) return std::unexpected(config.invalid(name, "no such " + std::string(what) + ": " + one));
    out.push_back(*value);
  }
  return out;
}

Result<ClassPolicy> read_class(const Config& config, DetectionClass detection) {
  const std::string table = table_of(detection);
  ClassPolicy out;
  // The schema lets nothing but these words pass.
  if (const auto mode = policy::mode_by_name(config.text(table + "mode"))) out.mode = *mode;
  if (const auto grade = policy::grade_by_name(config.text(table + "at_most"))) out.at_most = *grade;
  const std::array<std::pair<std::vector<Response> ClassPolicy::*, Grade>, 3> lists{
      {{&ClassPolicy::on_observe, Grade::observe},
       {&ClassPolicy::on_evidence, Grade::evidence},
       {&ClassPolicy::on_critical, Grade::critical}}};
  for (const auto& [list, grade] : lists) {
    const std::string name = table + "on_" + std::string(policy::grade_name(grade));
    AKM_ASSIGN(out.*list, read_names(config, name, "response", policy::response_by_name));
    for (const Response response : out.*list) {
      if (policy::least_grade(response) > grade)
        return std::unexpected(
            config.invalid(name, std::string(policy::response_name(response)) + " cannot follow this grade"));
    }
  }
  out.limit.count = static_cast<std::uint32_t>(config.integer(table + "limit_count"));
  out.limit.window_s = static_cast<std::uint32_t>(config.integer(table + "limit_window_s"));
  return out;
}

Result<std::vector<DetectionClass>> classes(const Config& config, const std::string& name) {
  return read_names(config, name, "class", policy::detection_by_name);
}

Status read_rules(const Config& config, policy::NodePolicy& out) {
  if (config.boolean("policy.standard_combinations")) out.combinations = policy::standard_combinations();
  for (const Config& table : config.tables("combinations")) {
    policy::Combination rule;
    rule.name = table.text("name");
    AKM_ASSIGN(rule.first, classes(table, "first"));
    AKM_ASSIGN(rule.then, classes(table, "then"));
    rule.within_s = static_cast<std::uint32_t>(table.integer("within_s"));
    rule.any_order = table.boolean("any_order");
    rule.outside_maintenance = table.boolean("outside_maintenance");
    out.combinations.push_back(std::move(rule));
  }
  for (const Config& table : config.tables("allow")) {
    policy::Allowance one;
    one.name = table.text("name");
    AKM_ASSIGN(one.classes, classes(table, "classes"));
    one.digest = table.text("digest");
    one.cgroup = table.text("cgroup");
    out.allowances.push_back(std::move(one));
  }
  AKM_ASSIGN(out.maintenance.lowers, classes(config, "maintenance.lowers"));
  out.maintenance.longest_s = static_cast<std::uint32_t>(config.integer("maintenance.longest_s"));
  out.maintenance.at_node = config.boolean("maintenance.at_node");
  out.hook.program = config.text("hook.program");
  out.hook.timeout_s = static_cast<std::uint32_t>(config.integer("hook.timeout_s"));
  return {};
}

}  // namespace

Schema policy_file_schema() {
  const policy::NodePolicy standard = policy::default_node_policy();
  Schema schema;
  schema.push_back(text("policy.mode", std::string("enforce"),
                        "Observe: every class says only what would be done, whatever its own mode.",
                        {"observe", "enforce"}));
  add_rules(schema, standard);
  for (Setting& setting : recovery_schema()) schema.push_back(std::move(setting));
  for (const DetectionClass detection : policy::kDetectionClasses)
    add_class(schema, detection, standard.of(detection));
  return schema;
}

Result<policy::NodePolicy> node_policy(const Config& config) {
  policy::NodePolicy out;
  for (const DetectionClass detection : policy::kDetectionClasses) {
    AKM_ASSIGN(out.of(detection), read_class(config, detection));
    if (config.text("policy.mode") == "observe") out.of(detection).mode = policy::Mode::observe;
  }
  AKM_TRY(read_rules(config, out));
  AKM_TRY(out.check());
  return out;
}

Result<Config> load_policy_file(const std::string& path) {
  const Schema schema = policy_file_schema();
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) return Config(schema);
  return Config::load(path, schema);
}

}  // namespace akm::service
