#include "daemon/policy/decision.h"

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

Test(decision, critical_revokes_first_then_reports) {
  Responder responder(default_node_policy());
  const Decision decision = responder.decide(seen(DetectionClass::key_access), at(1));
  cr_assert_eq(decision.grade, Grade::critical);
  cr_assert_geq(decision.actions.size(), 3u);
  cr_assert_eq(decision.actions[0], Response::revoke_local);
  cr_assert_eq(decision.actions[1], Response::report);
  cr_assert(decision.would_do.empty());
}

Test(decision, a_refused_attempt_revokes_nothing) {
  Responder responder(default_node_policy());
  const Decision decision = responder.decide(seen(DetectionClass::key_access, Outcome::refused), at(1));
  cr_assert_eq(decision.grade, Grade::evidence);
  cr_assert_not(has(decision.actions, Response::revoke_local));
  cr_assert(has(decision.actions, Response::report));
}

Test(decision, forged_frames_are_only_logged) {
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

Test(decision, contradictions_do_not_cost_the_one_who_saw_them) {
  Responder responder(default_node_policy());
  const Decision decision = responder.decide(seen(DetectionClass::cloned_identity), at(1));
  cr_assert_eq(decision.grade, Grade::critical);
  cr_assert_not(has(decision.actions, Response::revoke_local));
  cr_assert(has(decision.actions, Response::report));
}

Test(decision, reports_are_limited_per_class_and_window) {
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

Test(decision, refused_attempts_do_not_use_up_what_a_breach_needs) {
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

Test(decision, mode_observe_says_what_it_would_do) {
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

Test(decision, repeated_responses_are_done_once) {
  NodePolicy policy = default_node_policy();
  policy.of(DetectionClass::key_access).on_critical = {Response::log, Response::revoke_local, Response::log};
  Responder responder(policy);
  const Decision decision = responder.decide(seen(DetectionClass::key_access), at(1));
  cr_assert_eq(decision.actions.size(), 2u);
  cr_assert_eq(decision.actions[0], Response::revoke_local);
}

Test(decision, a_class_can_be_lowered_and_not_raised) {
  NodePolicy policy = default_node_policy();
  policy.of(DetectionClass::key_access).at_most = Grade::evidence;
  policy.of(DetectionClass::module_load).at_most = Grade::critical;  // check() refuses it
  Responder responder(policy);
  cr_assert_eq(responder.decide(seen(DetectionClass::key_access), at(1)).grade, Grade::evidence);
  cr_assert_eq(responder.decide(seen(DetectionClass::module_load), at(1)).grade, Grade::evidence);
}

Test(decision, the_same_record_is_answered_once) {
  Responder responder(default_node_policy());
  Detection record = seen(DetectionClass::key_access);
  record.boottime_ns = 77;
  record.subject = {{"pid", "12"}};
  cr_assert(has(responder.decide(record, at(1)).actions, Response::revoke_local));
  const Decision again = responder.decide(record, at(2));
  cr_assert(again.repeated);
  cr_assert_eq(again.actions.size(), 1);
  cr_assert_eq(again.actions[0], Response::log);
  record.boottime_ns = 78;  // the next one of that process
  cr_assert(has(responder.decide(record, at(2)).actions, Response::revoke_local));
}

Test(decision, a_combination_is_a_detection_of_its_own) {
  Responder responder(default_node_policy());
  cr_assert_eq(responder.judge(seen(DetectionClass::module_load), at(1)).size(), 1);
  const auto judged = responder.judge(seen(DetectionClass::sensor_tampering), at(60));
  cr_assert_eq(judged.size(), 2);
  cr_assert_eq(judged[0].decision.combination, "blinded");
  cr_assert_eq(judged[1].detection.detection, DetectionClass::combined_evidence);
  cr_assert_eq(judged[1].decision.grade, Grade::critical);
  cr_assert(has(judged[1].decision.actions, Response::revoke_local));
  cr_assert_eq(judged[1].detection.evidence.at("combination"), "blinded");
}

Test(decision, refused_attempts_of_anybody_complete_no_combination) {
  Responder responder(default_node_policy());
  (void)responder.judge(seen(DetectionClass::usb_insertion), at(1));
  Detection attempt = seen(DetectionClass::service_tampering, Outcome::refused);
  cr_assert_eq(responder.judge(attempt, at(2)).size(), 1);
  attempt.privileged = true;
  cr_assert_eq(responder.judge(attempt, at(3)).size(), 2);
}

Test(decision, maintenance_lowers_what_may_be_lowered) {
  Responder responder(default_node_policy());
  responder.maintenance(at(100));
  const Decision update = responder.decide(seen(DetectionClass::config_tampering), at(1));
  cr_assert_eq(update.grade, Grade::observe);
  cr_assert_eq(update.excused, "maintenance");
  cr_assert_eq(responder.decide(seen(DetectionClass::key_access), at(1)).grade, Grade::critical);
  cr_assert_eq(responder.decide(seen(DetectionClass::key_access, Outcome::refused), at(1)).grade,
               Grade::evidence);
  cr_assert_eq(responder.decide(seen(DetectionClass::sensor_impaired), at(1)).grade, Grade::evidence);
  cr_assert_eq(responder.decide(seen(DetectionClass::config_tampering), at(100)).grade, Grade::evidence);
}

Test(decision, an_allowed_program_is_told_by_what_it_is) {
  NodePolicy policy = default_node_policy();
  const std::string digest(64, 'a');
  policy.allowances = {{"agent", {DetectionClass::bpf_use}, digest, "/system.slice/agent.service"}};
  Responder responder(policy);
  Detection use = seen(DetectionClass::bpf_use);
  use.subject = {{"comm", "agent"}, {"digest", digest}, {"cgroup_path", "/user.slice"}};
  cr_assert_eq(responder.decide(use, at(1)).grade, Grade::evidence);
  use.subject["cgroup_path"] = "/system.slice/agent.service";
  const Decision allowed = responder.decide(use, at(2));
  cr_assert_eq(allowed.grade, Grade::observe);
  cr_assert_eq(allowed.excused, "agent");
  // And it is no unknown program for a combination.
  cr_assert_eq(responder.judge(seen(DetectionClass::sensor_tampering), at(3)).size(), 2);
}

Test(decision, zeroize_only_follows_critical) {
  NodePolicy policy = default_node_policy();
  policy.of(DetectionClass::key_access).on_evidence = {Response::zeroize,
                                                       Response::log};  // check() refuses it
  policy.of(DetectionClass::key_access).on_critical = {Response::zeroize, Response::report, Response::log};
  Responder responder(policy);
  cr_assert_not(has(responder.decide(seen(DetectionClass::key_access, Outcome::refused), at(1)).actions,
                    Response::zeroize));
  const Decision critical = responder.decide(seen(DetectionClass::key_access), at(1));
  cr_assert_eq(critical.actions.back(), Response::zeroize, "what tells of it comes first");
}

Test(decision, another_policy_takes_effect_at_once) {
  Responder responder(default_node_policy());
  NodePolicy policy = default_node_policy();
  policy.of(DetectionClass::key_access).mode = Mode::observe;
  responder.replace(policy);
  cr_assert_not(
      has(responder.decide(seen(DetectionClass::key_access), at(1)).actions, Response::revoke_local));
  cr_assert(responder.policy() == policy);
}
