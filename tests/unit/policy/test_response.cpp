#include "daemon/policy/response.h"

#include <criterion/criterion.h>

#include <algorithm>

using namespace akm;
using namespace akm::policy;

namespace {

Detection seen(DetectionClass detection, Outcome outcome = Outcome::succeeded) {
  Detection out;
  out.detection = detection;
  out.outcome = outcome;
  return out;
}

Instant at(std::int64_t seconds) {
  return Instant{seconds * 1'000'000'000};
}

bool has(const std::vector<Response>& list, Response response) {
  return std::ranges::find(list, response) != list.end();
}

}  // namespace

Test(response, critical_revokes_first_then_reports) {
  Responder responder(default_node_policy());
  const Decision decision = responder.decide(seen(DetectionClass::key_access), at(1));
  cr_assert_eq(decision.grade, Grade::critical);
  cr_assert_geq(decision.actions.size(), 3u);
  cr_assert_eq(decision.actions[0], Response::revoke_local);
  cr_assert_eq(decision.actions[1], Response::report);
  cr_assert(decision.would_do.empty());
}

Test(response, a_refused_attempt_revokes_nothing) {
  Responder responder(default_node_policy());
  const Decision decision = responder.decide(seen(DetectionClass::key_access, Outcome::refused), at(1));
  cr_assert_eq(decision.grade, Grade::evidence);
  cr_assert_not(has(decision.actions, Response::revoke_local));
  cr_assert(has(decision.actions, Response::report));
}

Test(response, forged_frames_are_only_logged) {
  NodePolicy policy = default_node_policy();
  // Even a configuration that says otherwise (check() refuses it) does not get there.
  policy.of(DetectionClass::forged_frames).on_observe = {Response::revoke_local, Response::rekey,
                                                         Response::report, Response::log};
  Responder responder(policy);
  const Decision decision = responder.decide(seen(DetectionClass::forged_frames), at(1));
  cr_assert_eq(decision.actions.size(), 1u);
  cr_assert_eq(decision.actions[0], Response::log);
  cr_assert_eq(decision.would_do.size(), 3u);
}

Test(response, contradictions_do_not_cost_the_one_who_saw_them) {
  Responder responder(default_node_policy());
  const Decision decision = responder.decide(seen(DetectionClass::cloned_identity), at(1));
  cr_assert_eq(decision.grade, Grade::critical);
  cr_assert_not(has(decision.actions, Response::revoke_local));
  cr_assert(has(decision.actions, Response::report));
}

Test(response, reports_are_limited_per_class_and_window) {
  NodePolicy policy = default_node_policy();
  policy.of(DetectionClass::key_access).limit = {.count = 3, .window_s = 60};
  Responder responder(policy);
  for (int i = 0; i < 3; ++i) {
    const Decision decision = responder.decide(seen(DetectionClass::key_access), at(i));
    cr_assert(has(decision.actions, Response::report));
  }
  const Decision over = responder.decide(seen(DetectionClass::key_access), at(3));
  cr_assert(over.rate_limited);
  cr_assert_not(has(over.actions, Response::signal));
  cr_assert(has(over.would_do, Response::signal));
  cr_assert(has(over.actions, Response::log));
  // Spending the limit does not save the keys from being revoked, nor the NMM from being told.
  cr_assert(has(over.actions, Response::revoke_local));
  cr_assert(has(over.actions, Response::report));
  // Another class has its own limit.
  const Decision other = responder.decide(seen(DetectionClass::process_access), at(3));
  cr_assert(has(other.actions, Response::report));
  // The window slides: the first of the three is 60 s old.
  const Decision later = responder.decide(seen(DetectionClass::key_access), at(60));
  cr_assert_not(later.rate_limited);
  cr_assert(has(later.actions, Response::report));
  cr_assert(responder.decide(seen(DetectionClass::key_access), at(60)).rate_limited);
}

Test(response, refused_attempts_do_not_use_up_what_a_breach_needs) {
  NodePolicy policy = default_node_policy();
  policy.of(DetectionClass::key_access).limit = {.count = 3, .window_s = 60};
  Responder responder(policy);
  Detection attempt = seen(DetectionClass::key_access);
  attempt.outcome = Outcome::refused;
  for (int i = 0; i < 3; ++i) cr_assert(has(responder.decide(attempt, at(i)).actions, Response::report));
  const Decision over = responder.decide(attempt, at(3));
  cr_assert(over.rate_limited);
  cr_assert_not(has(over.actions, Response::report));
  const Decision breach = responder.decide(seen(DetectionClass::key_access), at(3));
  cr_assert_not(breach.rate_limited);
  cr_assert(has(breach.actions, Response::report));
  cr_assert(has(breach.actions, Response::signal));
}

Test(response, mode_observe_says_what_it_would_do) {
  NodePolicy policy = default_node_policy();
  policy.of(DetectionClass::state_tampering).mode = Mode::observe;
  Responder responder(policy);
  const Decision decision = responder.decide(seen(DetectionClass::state_tampering), at(1));
  cr_assert_not(has(decision.actions, Response::revoke_local));
  cr_assert_not(has(decision.actions, Response::report));
  cr_assert(has(decision.would_do, Response::revoke_local));
  cr_assert(has(decision.actions, Response::signal));
  cr_assert_not(decision.reason.find("mode observe") == std::string::npos);
}

Test(response, repeated_responses_are_done_once) {
  NodePolicy policy = default_node_policy();
  policy.of(DetectionClass::key_access).on_critical = {Response::log, Response::revoke_local, Response::log};
  Responder responder(policy);
  const Decision decision = responder.decide(seen(DetectionClass::key_access), at(1));
  cr_assert_eq(decision.actions.size(), 2u);
  cr_assert_eq(decision.actions[0], Response::revoke_local);
}

Test(response, the_default_policy_is_valid_and_wrong_ones_are_named) {
  cr_assert(default_node_policy().check().has_value());
  NodePolicy policy = default_node_policy();
  policy.of(DetectionClass::forged_frames).on_observe = {Response::rekey};
  const Status wrong = policy.check();
  cr_assert_not(wrong.has_value());
  cr_assert_eq(wrong.error().code, Errc::config_invalid);
  cr_assert_not(wrong.error().detail.find("forged-frames") == std::string::npos);
  policy = default_node_policy();
  policy.of(DetectionClass::key_access).limit.window_s = 0;
  cr_assert_not(policy.check().has_value());
  policy = default_node_policy();
  policy.of(DetectionClass::key_access).limit.count = 0;
  cr_assert_not(policy.check().has_value());
}

Test(response, names_read_back) {
  for (const Response response :
       {Response::revoke_local, Response::report, Response::rekey, Response::signal, Response::log}) {
    cr_assert_eq(*response_by_name(response_name(response)), response);
  }
  cr_assert_not(response_by_name("evict").has_value());
  cr_assert_eq(*mode_by_name("enforce"), Mode::enforce);
  cr_assert_not(mode_by_name("off").has_value());
}
