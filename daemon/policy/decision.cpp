#include "daemon/policy/decision.h"

#include <algorithm>

#include "daemon/policy/grading.h"

namespace akm::policy {
namespace {

/// Costs nothing and changes nothing: done in every mode.
bool is_passive(Response response) {
  return response == Response::log;
}

/// Costs others nothing but tells them: done in mode observe too, within the rate limit.
bool is_telling(Response response) {
  return is_passive(response) || response == Response::signal;
}

bool revokes(Response response) {
  return response == Response::revoke_local || response == Response::quarantine;
}

std::vector<Response> in_order(std::vector<Response> responses) {
  std::ranges::sort(responses);
  const auto repeated = std::ranges::unique(responses);
  responses.erase(repeated.begin(), repeated.end());
  return responses;
}

/// Why evidence counts as an observation; empty: it does not.
std::string excuse(const NodePolicy& policy, const PolicyState& state, const Detection& detection,
                   Instant now) {
  if (!may_be_excused(detection.detection)) return {};
  for (const Allowance& one : policy.allowances) {
    if (matches(one, detection)) return one.name;
  }
  const auto& lowers = policy.maintenance.lowers;
  const bool lowered = std::ranges::find(lowers, detection.detection) != lowers.end();
  return state.in_maintenance(now) && lowered ? "maintenance" : "";
}

/// True when something was done that others notice.
bool choose(const ClassPolicy& policy, std::deque<Instant>& answered, Decision& decision, bool actionable,
            Instant now) {
  const Duration window = std::chrono::seconds(policy.limit.window_s);
  while (!answered.empty() && now - answered.front() >= window) answered.pop_front();
  decision.rate_limited = answered.size() >= policy.limit.count;
  bool spent = false;
  const std::vector<Response> asked = in_order(policy.on(decision.grade));
  const bool revoking = std::ranges::any_of(asked, revokes);
  for (const Response response : asked) {
    const bool allowed = least_grade(response) <= decision.grade && (actionable || is_telling(response));
    const bool in_mode = policy.mode == Mode::enforce || is_telling(response);
    // A limit on revoking would let an attacker spend it first: it stays, since revoked keys cost nothing to
    // revoke again. So does its report: a node that revoked and did not tell would be given the next keys
    // too.
    const bool with_revoking = revokes(response) || (revoking && response == Response::report);
    const bool in_limit = !decision.rate_limited || is_passive(response) || with_revoking;
    const bool done = allowed && in_mode && in_limit && (!decision.repeated || is_passive(response));
    (done ? decision.actions : decision.would_do).push_back(response);
    spent = spent || (done && !is_passive(response));
  }
  if (spent && !decision.rate_limited) answered.push_back(now);
  return spent;
}

std::string reason_of(const Detection& detection, const Decision& decision, const ClassPolicy& policy) {
  std::string out = std::string(detection_name(detection.detection)) + " " +
                    std::string(outcome_name(detection.outcome)) + " is " +
                    std::string(grade_name(decision.grade));
  if (!decision.excused.empty()) out += "; excused by " + decision.excused;
  if (policy.mode == Mode::observe) out += "; mode observe";
  if (decision.repeated) out += "; answered before";
  if (decision.rate_limited) out += "; over the limit of its window";
  if (!decision.combination.empty()) out += "; completes the combination " + decision.combination;
  return out;
}

}  // namespace

Decision decide(const NodePolicy& policy, PolicyState& state, const Detection& detection, Instant now) {
  Decision decision;
  const ClassPolicy& of_class = policy.of(detection.detection);
  decision.grade = std::min(grade(detection), of_class.at_most);
  if (decision.grade == Grade::evidence) decision.excused = excuse(policy, state, detection, now);
  if (!decision.excused.empty()) decision.grade = Grade::observe;
  // Without the kernel's time two incidents cannot be told from one.
  const bool has_time = detection.boottime_ns > 0;
  const IncidentId id = incident_of(detection);
  decision.repeated = has_time && state.incidents.contains(id);
  const bool actionable = ActionableEvidence::from(detection.detection, decision.grade).has_value();
  std::deque<Instant>& answered =
      state.answered[static_cast<std::size_t>(detection.detection)][static_cast<std::size_t>(decision.grade)];
  decision.remember = choose(of_class, answered, decision, actionable, now);
  // Any user can make a call that is refused: what was not done counts for nothing unless root tried it.
  const bool serious = detection.outcome == Outcome::succeeded || detection.privileged;
  if (actionable && serious && !decision.repeated) {
    const Combination* completed =
        state.combinations.note(policy.combinations, detection.detection, state.in_maintenance(now), now);
    if (completed != nullptr) decision.combination = completed->name;
    decision.remember = true;
  }
  // What was only observed had no answer that could be given twice.
  if (has_time && actionable) state.incidents.add(id);
  decision.reason = reason_of(detection, decision, of_class);
  return decision;
}

Detection combined(const Detection& last, const std::string& combination) {
  Detection out = last;
  out.detection = DetectionClass::combined_evidence;
  out.outcome = Outcome::succeeded;
  out.at_most = Grade::critical;
  out.evidence["combination"] = combination;
  out.evidence["last"] = detection_name(last.detection);
  return out;
}

std::vector<Judged> judge(const NodePolicy& policy, PolicyState& state, const Detection& detection,
                          Instant now) {
  std::vector<Judged> out;
  out.push_back({detection, decide(policy, state, detection, now)});
  if (out.front().decision.combination.empty()) return out;
  Detection both = combined(detection, out.front().decision.combination);
  Decision decision = decide(policy, state, both, now);
  out.push_back({std::move(both), std::move(decision)});
  return out;
}

}  // namespace akm::policy
