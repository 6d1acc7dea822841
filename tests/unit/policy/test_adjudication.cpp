#include "daemon/policy/adjudication.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::policy;

namespace {

constexpr std::uint64_t kNode = 7;
Instant at(std::int64_t seconds) {
  return Instant{seconds * 1'000'000'000};
}

AsrVerdict one(const BreachFacts& facts, std::size_t members, const AdjudicationPolicy& policy = {},
               const ActionHistory& history = {}, Instant now = at(1000)) {
  const auto verdicts = decide(facts, {{.asr_id = 1, .members = members}}, policy, history, now);
  cr_assert_eq(verdicts.size(), 1u);
  cr_assert_eq(verdicts[0].asr_id, 1u);
  return verdicts[0];
}

constexpr BreachFacts kCritical{kNode, DetectionClass::key_access, Grade::critical};

}  // namespace

Test(adjudication, critical_evicts) {
  const AsrVerdict verdict = one(kCritical, 5);
  cr_assert_eq(verdict.verdict, Verdict::evict);
  cr_assert_not(verdict.reason.empty());
}

Test(adjudication, observation_never_does_anything) {
  AdjudicationPolicy policy;
  policy.on_evidence = Verdict::rekey;
  for (const DetectionClass detection : kDetectionClasses) {
    cr_assert_eq(one({kNode, detection, Grade::observe}, 5, policy).verdict, Verdict::log);
  }
}

Test(adjudication, forged_frames_never_evict_whatever_is_claimed) {
  AdjudicationPolicy policy;
  policy.on_evidence = Verdict::rekey;
  cr_assert_eq(one({kNode, DetectionClass::forged_frames, Grade::critical}, 5, policy).verdict, Verdict::log);
}

Test(adjudication, a_claim_above_the_class_ceiling_does_not_evict) {
  cr_assert_eq(one({kNode, DetectionClass::config_tampering, Grade::critical}, 5).verdict, Verdict::log);
  cr_assert_eq(one({kNode, DetectionClass::sensor_impaired, Grade::critical}, 5).verdict, Verdict::log);
}

Test(adjudication, evidence_rekeys_where_policy_says_so) {
  const BreachFacts facts{kNode, DetectionClass::config_tampering, Grade::evidence};
  cr_assert_eq(one(facts, 5).verdict, Verdict::log);
  AdjudicationPolicy policy;
  policy.on_evidence = Verdict::rekey;
  cr_assert_eq(one(facts, 5, policy).verdict, Verdict::rekey);
}

Test(adjudication, quorum_floor_holds_at_its_edge) {
  AdjudicationPolicy policy;
  policy.quorum_floor = 3;
  cr_assert_eq(one(kCritical, 4, policy).verdict, Verdict::evict);
  const AsrVerdict at_floor = one(kCritical, 3, policy);
  cr_assert_eq(at_floor.verdict, Verdict::rekey);
  cr_assert_not(at_floor.reason.find("quorum_floor") == std::string::npos);
  cr_assert_eq(one(kCritical, 0, policy).verdict, Verdict::rekey);
}

Test(adjudication, of_a_pair_nothing_is_left_but_within_the_limits) {
  AdjudicationPolicy policy;
  policy.quorum_floor = 3;
  policy.domain_evictions_per_window = 1;
  cr_assert_eq(one(kCritical, kPair, policy).verdict, Verdict::evict);
  cr_assert_eq(one({kNode, DetectionClass::key_access, Grade::evidence}, kPair, policy).verdict,
               Verdict::log);
  ActionHistory history;
  history.record(kDomain, Verdict::evict, at(0));
  cr_assert_eq(one(kCritical, kPair, policy, history, at(1)).verdict, Verdict::rekey,
               "a wave of reports does not end every pair of the domain");
  policy.never_evict = {kNode};
  cr_assert_eq(one(kCritical, kPair, policy).verdict, Verdict::rekey);
}

Test(adjudication, never_evict_list_rekeys_instead) {
  AdjudicationPolicy policy;
  policy.never_evict = {kNode};
  cr_assert_eq(one(kCritical, 5, policy).verdict, Verdict::rekey);
  cr_assert_eq(one({kNode + 1, DetectionClass::key_access, Grade::critical}, 5, policy).verdict,
               Verdict::evict);
}

Test(adjudication, evictions_are_limited_per_asr) {
  AdjudicationPolicy policy;
  policy.evictions_per_window = 2;
  policy.rekeys_per_window = 1;
  policy.window_s = 600;
  ActionHistory history;
  history.record(1, Verdict::evict, at(500));
  history.record(1, Verdict::evict, at(900));
  cr_assert_eq(one(kCritical, 50, policy, history, at(1000)).verdict, Verdict::rekey);
  history.record(1, Verdict::rekey, at(1000));
  const AsrVerdict spent = one(kCritical, 50, policy, history, at(1001));
  cr_assert_eq(spent.verdict, Verdict::log);
  cr_assert_not(spent.reason.find("rekeys") == std::string::npos);
  // Another ASR has its own count, and the window slides.
  const auto other = decide(kCritical, {{.asr_id = 2, .members = 50}}, policy, history, at(1001));
  cr_assert_eq(other[0].verdict, Verdict::evict);
  cr_assert_eq(one(kCritical, 50, policy, history, at(1100)).verdict, Verdict::evict);
}

Test(adjudication, mode_observe_only_says_so) {
  AdjudicationPolicy policy;
  policy.mode = Mode::observe;
  const AsrVerdict verdict = one(kCritical, 5, policy);
  cr_assert_eq(verdict.verdict, Verdict::log);
  cr_assert_not(verdict.reason.find("would evict") == std::string::npos);
}

Test(adjudication, one_verdict_for_each_asr_in_order) {
  AdjudicationPolicy policy;
  policy.quorum_floor = 3;
  const auto verdicts = decide(kCritical, {{3, 5}, {1, 3}, {2, 9}}, policy, {}, at(1));
  cr_assert_eq(verdicts.size(), 3u);
  cr_assert_eq(verdicts[0].asr_id, 3u);
  cr_assert_eq(verdicts[0].verdict, Verdict::evict);
  cr_assert_eq(verdicts[1].verdict, Verdict::rekey);
  cr_assert_eq(verdicts[2].verdict, Verdict::evict);
  cr_assert(decide(kCritical, {}, {}, {}, at(1)).empty());
}

Test(adjudication, history_is_bounded_and_forgets) {
  ActionHistory history;
  for (int i = 0; i < 1000; ++i) history.record(1, Verdict::evict, at(i));
  cr_assert_leq(history.recent(1, Verdict::evict, at(1000), 86400), 128u);
  cr_assert_geq(history.recent(1, Verdict::evict, at(1000), 86400), 64u);
  history.record(1, Verdict::log, at(1001));
  cr_assert_eq(history.recent(1, Verdict::log, at(1001), 86400), 0u);
  history.forget(1);
  cr_assert_eq(history.recent(1, Verdict::evict, at(1000), 86400), 0u);
}

Test(adjudication, wrong_policies_are_refused) {
  cr_assert(AdjudicationPolicy{}.check().has_value());
  AdjudicationPolicy policy;
  policy.on_evidence = Verdict::evict;
  cr_assert_not(policy.check().has_value());
  policy = {};
  policy.quorum_floor = 1;
  cr_assert_not(policy.check().has_value());
  policy = {};
  policy.evictions_per_window = 65;
  cr_assert_not(policy.check().has_value());
  policy = {};
  policy.window_s = 0;
  cr_assert_not(policy.check().has_value());
}
