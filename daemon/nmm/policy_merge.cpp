#include "daemon/nmm/policy_merge.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/policy/combination.h"
#include "daemon/policy/detection.h"
#include "daemon/service/policy_file.h"

namespace akm::nmm {
namespace {

using protocol::DetectionPolicy;
using Value = DetectionPolicy::Value;
using Values = DetectionPolicy::Values;
using Texts = std::vector<std::string>;
using Rows = std::vector<Values>;

constexpr std::string_view kResponses = "responses.";
constexpr const char* kMode = "policy.mode";
constexpr const char* kCombinations = "combinations";
constexpr const char* kAllow = "allow";

const Values& standards() {
  static const Values all = [] {
    Values out;
    for (const service::Setting& one : service::policy_file_schema()) out.emplace(one.name, one.standard);
    return out;
  }();
  return all;
}

/// A row of one of these names would clash at a node that keeps the standard ones.
std::set<std::string> standard_names() {
  std::set<std::string> out;
  for (const policy::Combination& one : policy::standard_combinations()) out.insert(one.name);
  return out;
}

Texts both(const Texts& one, const Texts& other) {
  std::set<std::string> out(one.begin(), one.end());
  out.insert(other.begin(), other.end());
  return {out.begin(), out.end()};
}

Texts common(const Texts& one, const Texts& other) {
  std::set<std::string> out(one.begin(), one.end());
  std::erase_if(out, [&](const std::string& text) { return std::ranges::find(other, text) == other.end(); });
  return {out.begin(), out.end()};
}

Value stricter(const std::string& name, const std::string& one, const std::string& other) {
  if (name.ends_with(".mode")) return one == "enforce" ? one : other;
  if (name.ends_with(".at_most"))
    return policy::grade_by_name(one) < policy::grade_by_name(other) ? other : one;
  return one.empty() ? other : one;  // the hook's program
}

/// Both are of the schema, and so of one type.
Value stricter(const std::string& name, const Value& one, const Value& other) {
  if (const auto* text = std::get_if<std::string>(&one))
    return stricter(name, *text, std::get<std::string>(other));
  if (const auto* number = std::get_if<std::int64_t>(&one)) {
    const auto more = std::get<std::int64_t>(other);
    const bool most = name.ends_with(".limit_count") || name == "hook.timeout_s";
    return most ? std::max(*number, more) : std::min(*number, more);
  }
  if (const auto* truth = std::get_if<bool>(&one)) {
    const bool more = std::get<bool>(other);
    return name == "maintenance.at_node" ? (*truth && more) : (*truth || more);
  }
  const auto& list = std::get<Texts>(one);
  const auto& more = std::get<Texts>(other);
  return name == "maintenance.lowers" ? common(list, more) : both(list, more);
}

/// `policy.mode` observe is a word about each class.
Values spelled_out(Values set) {
  const auto mode = set.find(kMode);
  if (mode == set.end()) return set;
  const bool observe = mode->second == Value(std::string("observe"));
  set.erase(mode);
  if (!observe) return set;
  for (const policy::DetectionClass one : policy::kDetectionClasses)
    set.insert_or_assign(std::string(kResponses) + std::string(policy::detection_name(one)) + ".mode",
                         std::string("observe"));
  return set;
}

/// What a policy does not name is at its default there.
Values stricter(const Values& one, const Values& other) {
  Values out;
  for (const Values* names : {&one, &other}) {
    for (const auto& [name, value] : *names) {
      const auto standard = standards().find(name);
      if (out.contains(name) || standard == standards().end()) continue;
      const auto word = [&](const Values& set) {
        const auto at = set.find(name);
        return at == set.end() || at->second.index() != standard->second.index() ? standard->second
                                                                                 : at->second;
      };
      out.emplace(name, stricter(name, word(one), word(other)));
    }
  }
  return out;
}

std::string name_of(const Values& row) {
  const auto at = row.find("name");
  const auto* name = at == row.end() ? nullptr : std::get_if<std::string>(&at->second);
  return name == nullptr ? std::string() : *name;
}

/// All of both, as far as a node has room for them beside the standard ones; another one of the same name
/// gets a name of its own.
Rows all_rows(Rows rows, const Rows& more) {
  const std::size_t room = policy::kCombinations - policy::standard_combinations().size();
  for (Values row : more) {
    if (rows.size() == room) break;
    if (std::ranges::find(rows, row) != rows.end()) continue;
    std::set<std::string> taken = standard_names();
    for (const Values& known : rows) taken.insert(name_of(known));
    const std::string name = name_of(row);
    for (int number = 2; taken.contains(name_of(row)); ++number) {
      const std::string suffix = "-" + std::to_string(number);
      row["name"] = name.substr(0, policy::kRuleNameBytes - suffix.size()) + suffix;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

Rows common_rows(const Rows& rows, const Rows& other) {
  Rows out;
  std::ranges::copy_if(rows, std::back_inserter(out),
                       [&](const Values& row) { return std::ranges::find(other, row) != other.end(); });
  return out;
}

}  // namespace

DetectionPolicy strictest(const std::vector<DetectionPolicy>& policies) {
  if (policies.empty()) return {};
  DetectionPolicy out = policies.front();
  if (policies.size() == 1) return out;
  out.set = spelled_out(std::move(out.set));
  out.tables[kCombinations] = all_rows({}, out.tables[kCombinations]);
  for (std::size_t i = 1; i < policies.size(); ++i) {
    DetectionPolicy other = policies[i];
    out.set = stricter(out.set, spelled_out(std::move(other.set)));
    out.tables[kCombinations] = all_rows(std::move(out.tables[kCombinations]), other.tables[kCombinations]);
    out.tables[kAllow] = common_rows(out.tables[kAllow], other.tables[kAllow]);
  }
  std::erase_if(out.tables, [](const auto& table) { return table.second.empty(); });
  return out;
}

}  // namespace akm::nmm
