#include "daemon/sentry/decision_event.h"

#include <algorithm>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/policy/grading.h"

namespace akm::sentry {
namespace {

/// Numbers only: what the kernel counts.
std::string number_in(const std::map<std::string, std::string>& facts, const std::string& name) {
  const auto found = facts.find(name);
  if (found == facts.end()) return {};
  return found->second.find_first_not_of("0123456789") == std::string::npos ? found->second : std::string();
}

}  // namespace

bool wants(const policy::Decision& decision, policy::Response response) {
  return std::ranges::find(decision.actions, response) != decision.actions.end();
}

std::string names_of(const std::vector<policy::Response>& responses) {
  std::string out;
  for (const policy::Response one : responses)
    out += (out.empty() ? "" : " ") + std::string(policy::response_name(one));
  return out;
}

EventRecord decision_event(std::string name, const policy::Detection& detection,
                           const policy::Decision& decision, std::uint64_t incident) {
  EventRecord out;
  out.name = std::move(name);
  out.severity = policy::severity_of_grade(decision.grade);
  out.boottime_ns = detection.boottime_ns;
  out.fields = detection.evidence;
  for (const auto& [fact, value] : detection.subject) {
    if (out.fields.emplace(fact, value).second) out.subject.push_back(fact);
  }
  out.fields.emplace("class", policy::detection_name(detection.detection));
  out.fields.emplace("grade", policy::grade_name(decision.grade));
  out.fields.emplace("outcome", policy::outcome_name(detection.outcome));
  // What the grade came of, for who tries another policy on it.
  if (detection.at_most < policy::grade_ceiling(detection.detection))
    out.fields.emplace("weight", policy::grade_name(detection.at_most));
  if (detection.privileged) out.fields.emplace("privileged", "yes");
  out.fields.emplace("actions", names_of(decision.actions));
  if (!decision.would_do.empty()) out.fields.emplace("not_done", names_of(decision.would_do));
  out.fields.emplace("reason", decision.reason);
  if (incident != 0) out.fields.emplace("incident", hex_id(incident));
  return out;
}

std::map<std::string, std::string> hook_environment(const policy::Detection& detection,
                                                    const policy::Decision& decision,
                                                    const std::string& node_id) {
  std::map<std::string, std::string> out{
      {"AKM_CLASS", std::string(policy::detection_name(detection.detection))},
      {"AKM_GRADE", std::string(policy::grade_name(decision.grade))},
      {"AKM_OUTCOME", std::string(policy::outcome_name(detection.outcome))},
      {"AKM_BOOTTIME_NS", std::to_string(detection.boottime_ns)},
      {"AKM_NODE_ID", node_id}};
  for (const auto& [variable, fact] : {std::pair{"AKM_PID", "pid"}, std::pair{"AKM_UID", "uid"}})
    out.emplace(variable, number_in(detection.subject, fact));
  return out;
}

}  // namespace akm::sentry
