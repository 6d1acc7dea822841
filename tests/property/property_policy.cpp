// What holds for every policy, also one that check() refuses, and every history of detections: what anybody
// can cause costs nobody anything, nothing is answered twice, limits and floors hold, combinations raise by
// their table alone, and an open maintenance window lowers only what it may.
#include <rapidcheck.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "daemon/policy/adjudication.h"
#include "daemon/policy/decision.h"
#include "daemon/policy/grading.h"
#include "daemon/policy/policy_memory.h"

namespace akm::policy {
namespace {

template <typename T>
T one_of(std::size_t count) {
  return static_cast<T>(*rc::gen::inRange<std::size_t>(0, count));
}

DetectionClass any_class() {
  return one_of<DetectionClass>(kDetectionClassCount);
}

std::vector<DetectionClass> some_classes() {
  std::vector<DetectionClass> out;
  for (int left = *rc::gen::inRange(0, 6); left > 0; --left) out.push_back(any_class());
  return out;
}

std::vector<Response> some_responses() {
  return *rc::gen::container<std::vector<Response>>(rc::gen::map(
      rc::gen::inRange<std::size_t>(0, kResponses.size()), [](std::size_t i) { return kResponses.at(i); }));
}

/// Any policy at all, as if there were no check().
NodePolicy any_policy() {
  NodePolicy out = default_node_policy();
  for (ClassPolicy& one : out.classes) {
    if (*rc::gen::inRange(0, 3) != 0) continue;
    one.mode = one_of<Mode>(2);
    one.at_most = one_of<Grade>(kGradeCount);
    one.on_observe = some_responses();
    one.on_evidence = some_responses();
    one.on_critical = some_responses();
    one.limit = {*rc::gen::inRange(1U, 4U), *rc::gen::inRange(1U, 60U)};
  }
  for (int left = *rc::gen::inRange(0, 4); left > 0; --left) {
    out.combinations.push_back({"r" + std::to_string(left), some_classes(), some_classes(),
                                *rc::gen::inRange(1U, 60U), *rc::gen::arbitrary<bool>(),
                                *rc::gen::arbitrary<bool>()});
  }
  for (int left = *rc::gen::inRange(0, 3); left > 0; --left)
    out.allowances.push_back({"a", some_classes(), std::string(64, 'a'), ""});
  out.maintenance.lowers = some_classes();
  return out;
}

Detection any_detection(std::int64_t second) {
  Detection out;
  out.detection = any_class();
  out.outcome = one_of<Outcome>(3);
  out.privileged = *rc::gen::arbitrary<bool>();
  out.boottime_ns = second * 1'000'000'000 + *rc::gen::inRange(0, 3);
  out.subject = {{"pid", std::to_string(*rc::gen::inRange(1, 3))}};
  if (*rc::gen::arbitrary<bool>()) out.subject.emplace("digest", std::string(64, 'a'));
  return out;
}

bool is_harmless(Response response) {
  return response == Response::log || response == Response::signal;
}

bool is_of_revoking(Response response) {
  return response == Response::revoke_local || response == Response::quarantine ||
         response == Response::report;
}

/// The daemon ends and starts again, at any time and on this boot or another one.
PolicyState perhaps_restarted(const NodePolicy& policy, PolicyState state, Instant now, bool same_boot) {
  if (*rc::gen::inRange(0, 3) != 0) return state;
  PolicyState out;
  const auto memory = encode_memory(policy, state, BootId{1});
  RC_ASSERT(take_memory(memory, policy, BootId{same_boot ? std::uint8_t{1} : std::uint8_t{2}}, now, out)
                .has_value());
  return out;
}

void never_costs_anybody() {
  const NodePolicy policy = any_policy();
  PolicyState state;
  std::int64_t second = 1;
  for (int left = 30; left > 0; --left) {
    second += *rc::gen::inRange(0, 20);
    const Detection detection = any_detection(second);
    for (const Judged& one : judge(policy, state, detection, Instant{second * 1'000'000'000})) {
      const Grade ceiling = grade_ceiling(one.detection.detection);
      RC_ASSERT(one.decision.grade <= ceiling);
      for (const Response response : one.decision.actions) {
        RC_ASSERT(is_harmless(response) || ceiling > Grade::observe);
        RC_ASSERT(least_grade(response) <= one.decision.grade);
      }
      // What was only observed is no part of a combination.
      if (one.detection.detection == DetectionClass::combined_evidence &&
          detection.detection != one.detection.detection)
        RC_ASSERT(grade_ceiling(detection.detection) > Grade::observe);
    }
  }
}

/// Only observations, as many as one likes: no combination, no answer but to log and signal.
void observations_stay_observations() {
  const NodePolicy policy = any_policy();
  PolicyState state;
  std::vector<DetectionClass> observed;
  for (const DetectionClass detection : kDetectionClasses) {
    if (grade_ceiling(detection) == Grade::observe) observed.push_back(detection);
  }
  for (std::int64_t second = 1; second < 40; ++second) {
    Detection detection = any_detection(second);
    detection.detection = *rc::gen::elementOf(observed);
    const auto judged = judge(policy, state, detection, Instant{second * 1'000'000'000});
    RC_ASSERT(judged.size() == 1);
    RC_ASSERT(std::ranges::all_of(judged.front().decision.actions, is_harmless));
  }
}

void nothing_is_answered_twice() {
  const NodePolicy policy = any_policy();
  PolicyState state;
  std::vector<Detection> seen;
  for (std::int64_t second = 1; second < 25; ++second) {
    const bool again = !seen.empty() && *rc::gen::arbitrary<bool>();
    const Detection detection = again ? *rc::gen::elementOf(seen) : any_detection(second);
    const bool known = std::ranges::any_of(
        seen, [&](const Detection& one) { return incident_of(one) == incident_of(detection); });
    const auto judged = judge(policy, state, detection, Instant{second * 1'000'000'000});
    const Decision& decision = judged.front().decision;
    if (known && decision.repeated) {
      RC_ASSERT(judged.size() == 1);
      RC_ASSERT(std::ranges::all_of(decision.actions, [](Response r) { return r == Response::log; }));
    }
    if (known) RC_ASSERT(decision.repeated || decision.grade == Grade::observe);
    seen.push_back(detection);
    state = perhaps_restarted(policy, std::move(state), Instant{second * 1'000'000'000}, true);
  }
}

void limits_hold() {
  NodePolicy policy = any_policy();
  PolicyState state;
  const Detection like = any_detection(0);
  const RateLimit limit = policy.of(like.detection).limit;
  std::deque<std::int64_t> spent;
  std::int64_t second = 1;
  for (int left = 60; left > 0; --left) {
    second += *rc::gen::inRange(0, 5);
    Detection detection = like;
    detection.boottime_ns = 0;
    const Decision decision = decide(policy, state, detection, Instant{second * 1'000'000'000});
    const bool costs = std::ranges::any_of(decision.actions, [](Response response) {
      return response != Response::log && !is_of_revoking(response);
    });
    if (!costs) continue;
    std::erase_if(spent, [&](std::int64_t at) { return second - at >= limit.window_s; });
    spent.push_back(second);
    RC_ASSERT(spent.size() <= limit.count);
    RC_ASSERT(decision.remember);
    // Of another boot what was done counts longer, and never shorter.
    state = perhaps_restarted(policy, std::move(state), Instant{second * 1'000'000'000},
                              *rc::gen::arbitrary<bool>());
  }
}

/// A model of the table: what is completed must have both sides within its window.
void combinations_raise_by_their_table() {
  const NodePolicy policy = any_policy();
  PolicyState state;
  std::vector<std::pair<DetectionClass, std::int64_t>> serious;
  std::int64_t second = 1;
  for (int left = 40; left > 0; --left) {
    second += *rc::gen::inRange(0, 15);
    Detection detection = any_detection(second);
    detection.boottime_ns = 0;
    if (*rc::gen::arbitrary<bool>() && !policy.combinations.back().first.empty())
      detection.detection = policy.combinations.back().first.front();
    const Decision decision = decide(policy, state, detection, Instant{second * 1'000'000'000});
    const bool counts = decision.grade > Grade::observe &&
                        (detection.outcome == Outcome::succeeded || detection.privileged) &&
                        may_combine(detection.detection);
    if (!decision.combination.empty()) {
      RC_ASSERT(counts);
      const auto rule = std::ranges::find(policy.combinations, decision.combination, &Combination::name);
      RC_ASSERT(rule != policy.combinations.end());
      const auto in = [](const std::vector<DetectionClass>& list, DetectionClass one) {
        return std::ranges::find(list, one) != list.end();
      };
      RC_ASSERT(std::ranges::any_of(serious, [&](const auto& earlier) {
        const bool close = second - earlier.second <= rule->within_s;
        const bool onward = in(rule->first, earlier.first) && in(rule->then, detection.detection);
        const bool back =
            rule->any_order && in(rule->then, earlier.first) && in(rule->first, detection.detection);
        return close && (onward || back);
      }));
    }
    if (counts) serious.emplace_back(detection.detection, second);
  }
}

void maintenance_lowers_only_what_it_may() {
  const NodePolicy policy = any_policy();
  PolicyState open;
  PolicyState closed;
  open.maintenance_until = Instant{INT64_MAX};
  const Detection detection = any_detection(5);
  const Grade before = decide(policy, closed, detection, Instant{5}).grade;
  const Grade during = decide(policy, open, detection, Instant{5}).grade;
  if (during == before) return;
  RC_ASSERT(before == Grade::evidence && during == Grade::observe);
  RC_ASSERT(may_be_excused(detection.detection));
  RC_ASSERT(grade_ceiling(detection.detection) == Grade::evidence);
}

AdjudicationPolicy any_recovery() {
  AdjudicationPolicy out;
  out.mode = one_of<Mode>(2);
  out.on_critical = one_of<Verdict>(3);
  out.on_evidence = one_of<Verdict>(3);  // check() refuses evict
  out.quorum_floor = *rc::gen::inRange<std::size_t>(2, 6);
  out.evictions_per_window = *rc::gen::inRange(1U, 5U);
  out.domain_evictions_per_window = *rc::gen::inRange(1U, 5U);
  out.rekeys_per_window = *rc::gen::inRange(1U, 5U);
  out.window_s = *rc::gen::inRange(1U, 100U);
  out.never_evict = {7};
  return out;
}

/// One ASR, whose members are reported one after the other.
void the_nmm_keeps_floor_and_limits() {
  const AdjudicationPolicy policy = any_recovery();
  RecoveryMemory memory;
  ActionHistory& history = memory.history;
  std::set<std::uint64_t> members{1, 2, 3, 4, 5, 6, 7, 8};
  if (*rc::gen::inRange(0, 4) == 0) members = {1, 2};
  std::vector<std::int64_t> evictions;
  std::int64_t second = 1;
  for (int left = 40; left > 0; --left) {
    second += *rc::gen::inRange(0, 30);
    const Instant now{second * 1'000'000'000};
    if (*rc::gen::inRange(0, 4) == 0) {
      const BootId boot{*rc::gen::arbitrary<bool>() ? std::uint8_t{1} : std::uint8_t{2}};
      memory = *RecoveryMemory::decode(memory.encode(BootId{1}, now), boot, now);
    }
    const std::uint64_t node =
        *rc::gen::elementOf(std::vector<std::uint64_t>(members.begin(), members.end()));
    const BreachFacts facts{node, any_class(), one_of<Grade>(kGradeCount)};
    const Verdict verdict = decide(facts, {{1, members.size()}}, policy, history, now).front().verdict;
    const Grade most = std::min(facts.grade, grade_ceiling(facts.detection));
    if (most == Grade::observe) RC_ASSERT(verdict == Verdict::log);
    if (policy.mode == Mode::observe) RC_ASSERT(verdict == Verdict::log);
    history.record(1, verdict, now);
    if (verdict != Verdict::evict) continue;
    history.record(kDomain, verdict, now);
    RC_ASSERT(most == Grade::critical && policy.on_critical == Verdict::evict);
    RC_ASSERT(!policy.never_evict.contains(node));
    members.erase(node);
    // Of a pair nothing is left: an eviction ends it.
    RC_ASSERT(members.size() >= policy.quorum_floor || members.size() == kPair - 1);
    std::erase_if(evictions, [&](std::int64_t at) { return second - at >= policy.window_s; });
    evictions.push_back(second);
    RC_ASSERT(evictions.size() <= std::min(policy.evictions_per_window, policy.domain_evictions_per_window));
    if (members.size() < kPair) return;
  }
}

}  // namespace
}  // namespace akm::policy

int main() {
  using namespace akm::policy;
  bool good = true;
  good &= rc::check("what anybody can cause costs nobody anything", never_costs_anybody);
  good &= rc::check("observations stay observations", observations_stay_observations);
  good &= rc::check("nothing is answered twice", nothing_is_answered_twice);
  good &= rc::check("limits hold", limits_hold);
  good &= rc::check("combinations raise by their table", combinations_raise_by_their_table);
  good &= rc::check("maintenance lowers only what it may", maintenance_lowers_only_what_it_may);
  good &= rc::check("the NMM keeps floor and limits", the_nmm_keeps_floor_and_limits);
  return good ? 0 : 1;
}
