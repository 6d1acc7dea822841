#include "daemon/policy/response.h"

#include <algorithm>

#include "daemon/policy/grading.h"

namespace akm::policy {
namespace {

constexpr std::uint32_t kMaxCount = 1000;
constexpr std::uint32_t kMaxWindowS = 86400;

const std::vector<Response>& wanted(const ClassPolicy& policy, Grade grade) {
  switch (grade) {
    case Grade::observe:
      return policy.on_observe;
    case Grade::evidence:
      return policy.on_evidence;
    case Grade::critical:
      return policy.on_critical;
  }
  return policy.on_observe;
}

/// Costs nothing and changes nothing: done in every mode.
bool is_passive(Response response) {
  return response == Response::log;
}

/// Costs others nothing but tells them: done in mode observe too, within the rate limit.
bool is_telling(Response response) {
  return is_passive(response) || response == Response::signal;
}

bool may_follow_observation(Response response) {
  return is_telling(response);
}

std::vector<Response> in_order(std::vector<Response> responses) {
  std::ranges::sort(responses);
  const auto repeated = std::ranges::unique(responses);
  responses.erase(repeated.begin(), repeated.end());
  return responses;
}

}  // namespace

std::string_view response_name(Response response) {
  switch (response) {
    case Response::revoke_local:
      return "revoke-local";
    case Response::report:
      return "report";
    case Response::rekey:
      return "rekey";
    case Response::signal:
      return "signal";
    case Response::log:
      return "log";
  }
  return "unknown";
}

std::optional<Response> response_by_name(std::string_view name) {
  for (const Response response :
       {Response::revoke_local, Response::report, Response::rekey, Response::signal, Response::log}) {
    if (response_name(response) == name) return response;
  }
  return std::nullopt;
}

std::string_view mode_name(Mode mode) {
  switch (mode) {
    case Mode::observe:
      return "observe";
    case Mode::enforce:
      return "enforce";
  }
  return "unknown";
}

std::optional<Mode> mode_by_name(std::string_view name) {
  for (const Mode mode : {Mode::observe, Mode::enforce}) {
    if (mode_name(mode) == name) return mode;
  }
  return std::nullopt;
}

Status NodePolicy::check() const {
  for (const DetectionClass detection : kDetectionClasses) {
    const ClassPolicy& policy = of(detection);
    const std::string name(detection_name(detection));
    for (const Response response : policy.on_observe) {
      if (may_follow_observation(response)) continue;
      return fail(Errc::config_invalid,
                  name + ": " + std::string(response_name(response)) + " cannot follow an observation");
    }
    if (policy.limit.count == 0 || policy.limit.count > kMaxCount) {
      return fail(Errc::config_invalid, name + ": count must be 1 to 1000");
    }
    if (policy.limit.window_s == 0 || policy.limit.window_s > kMaxWindowS) {
      return fail(Errc::config_invalid, name + ": window must be 1 to 86400 s");
    }
  }
  return {};
}

NodePolicy default_node_policy() {
  NodePolicy policy;
  for (const DetectionClass detection : kDetectionClasses) {
    ClassPolicy& of_class = policy.of(detection);
    of_class.mode = Mode::enforce;
    of_class.on_observe = {Response::log};
    of_class.on_evidence = {Response::report, Response::signal, Response::log};
    of_class.on_critical = {Response::revoke_local, Response::report, Response::signal, Response::log};
  }
  // The NMM sees contradictions between other members' frames: the one who notices is not the one at fault,
  // so its own keys stay.
  for (const DetectionClass detection :
       {DetectionClass::cloned_identity, DetectionClass::stale_incarnation}) {
    policy.of(detection).on_critical = {Response::report, Response::signal, Response::log};
  }
  return policy;
}

Decision Responder::decide(const Detection& detection, Instant now) {
  Decision decision;
  decision.grade = grade(detection);
  const ClassPolicy& policy = policy_.of(detection.detection);
  const bool actionable = ActionableEvidence::from(detection.detection, decision.grade).has_value();

  std::deque<Instant>& answered =
      answered_[static_cast<std::size_t>(detection.detection)][static_cast<std::size_t>(decision.grade)];
  const Duration window = std::chrono::seconds(policy.limit.window_s);
  while (!answered.empty() && now - answered.front() >= window) answered.pop_front();
  decision.rate_limited = answered.size() >= policy.limit.count;

  bool spent = false;
  const std::vector<Response> asked = in_order(wanted(policy, decision.grade));
  const bool revokes = std::ranges::find(asked, Response::revoke_local) != asked.end();
  for (const Response response : asked) {
    const bool allowed = actionable || may_follow_observation(response);
    const bool in_mode = policy.mode == Mode::enforce || is_telling(response);
    // A limit on revoking would let an attacker spend it first: it stays, since revoked keys cost nothing to
    // revoke again. So does its report: a node that revoked and did not tell would be given the next keys
    // too.
    const bool with_revoking =
        response == Response::revoke_local || (revokes && response == Response::report);
    const bool in_limit = !decision.rate_limited || is_passive(response) || with_revoking;
    const bool done = allowed && in_mode && in_limit;
    (done ? decision.actions : decision.would_do).push_back(response);
    spent = spent || (done && !is_passive(response));
  }
  if (spent && !decision.rate_limited) answered.push_back(now);

  decision.reason = std::string(detection_name(detection.detection)) + " " +
                    std::string(outcome_name(detection.outcome)) + " is " +
                    std::string(grade_name(decision.grade));
  if (policy.mode == Mode::observe) decision.reason += "; mode observe";
  if (decision.rate_limited) decision.reason += "; over the limit of its window";
  return decision;
}

}  // namespace akm::policy
