#include "daemon/policy/policy_memory.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::policy;

namespace {

constexpr BootId kBoot{1};
constexpr BootId kOtherBoot{2};

Instant at(std::int64_t seconds) {
  return Instant{seconds * 1'000'000'000};
}

Detection seen(DetectionClass detection, std::int64_t second = 0) {
  Detection out;
  out.detection = detection;
  out.boottime_ns = at(second).ns;
  return out;
}

PolicyState after_restart(const NodePolicy& policy, const PolicyState& before, Instant now,
                          const BootId& boot = kBoot) {
  PolicyState out;
  cr_assert(take_memory(encode_memory(policy, before, kBoot), policy, boot, now, out).has_value());
  return out;
}

}  // namespace

Test(policy_memory, a_restart_does_not_give_a_limit_back) {
  NodePolicy policy = default_node_policy();
  policy.of(DetectionClass::module_load).limit = {.count = 2, .window_s = 60};
  PolicyState state;
  for (int i = 1; i <= 2; ++i) {
    cr_assert_not(decide(policy, state, seen(DetectionClass::module_load), at(i)).rate_limited);
    state = after_restart(policy, state, at(i));
  }
  cr_assert(decide(policy, state, seen(DetectionClass::module_load), at(10)).rate_limited);
  cr_assert_not(decide(policy, state, seen(DetectionClass::module_load), at(61)).rate_limited,
                "the first is 60 s old");
}

Test(policy_memory, a_record_that_comes_again_was_answered) {
  const NodePolicy policy = default_node_policy();
  PolicyState state;
  (void)decide(policy, state, seen(DetectionClass::key_access, 5), at(5));
  PolicyState again = after_restart(policy, state, at(6));
  cr_assert(decide(policy, again, seen(DetectionClass::key_access, 5), at(6)).repeated);
  PolicyState other = after_restart(policy, state, at(6), kOtherBoot);
  cr_assert_not(decide(policy, other, seen(DetectionClass::key_access, 5), at(6)).repeated,
                "times of another boot say nothing");
}

Test(policy_memory, after_another_boot_what_was_done_counts_from_its_start) {
  NodePolicy policy = default_node_policy();
  policy.of(DetectionClass::module_load).limit = {.count = 1, .window_s = 60};
  PolicyState state;
  (void)decide(policy, state, seen(DetectionClass::module_load), at(5000));
  state = after_restart(policy, state, at(20), kOtherBoot);
  cr_assert(decide(policy, state, seen(DetectionClass::module_load), at(79)).rate_limited);
  cr_assert_not(decide(policy, state, seen(DetectionClass::module_load), at(80)).rate_limited);
}

Test(policy_memory, many_answers_are_told_together_and_none_is_forgotten_early) {
  NodePolicy policy = default_node_policy();
  policy.of(DetectionClass::module_load).limit = {.count = 1000, .window_s = 86400};
  PolicyState state;
  for (int i = 1; i <= 1000; ++i) (void)decide(policy, state, seen(DetectionClass::module_load), at(i));
  const auto bytes = encode_memory(policy, state, kBoot);
  cr_assert_lt(bytes.size(), 2048);
  PolicyState again = after_restart(policy, state, at(1001));
  cr_assert(decide(policy, again, seen(DetectionClass::module_load), at(1001)).rate_limited);
  cr_assert(decide(policy, again, seen(DetectionClass::module_load), at(86401)).rate_limited,
            "the first of them goes with its group");
}

Test(policy_memory, how_far_a_combination_came) {
  const NodePolicy policy = default_node_policy();
  PolicyState state;
  cr_assert(decide(policy, state, seen(DetectionClass::module_load), at(5)).remember);
  PolicyState again = after_restart(policy, state, at(20));
  cr_assert_eq(judge(policy, again, seen(DetectionClass::sensor_tampering), at(30)).size(), 2);
  NodePolicy without = policy;
  without.combinations.erase(without.combinations.begin());
  PolicyState other;
  cr_assert(take_memory(encode_memory(policy, state, kBoot), without, kBoot, at(20), other).has_value());
  cr_assert_eq(judge(without, other, seen(DetectionClass::sensor_tampering), at(30)).size(), 1,
               "a rule that is gone completes nothing");
}

Test(policy_memory, what_changes_nothing_is_not_worth_a_writing) {
  NodePolicy policy = default_node_policy();
  PolicyState state;
  cr_assert_not(decide(policy, state, seen(DetectionClass::forged_frames), at(1)).remember);
  Detection attempt = seen(DetectionClass::key_access, 1);
  attempt.outcome = Outcome::refused;
  cr_assert(decide(policy, state, attempt, at(1)).remember, "it was reported");
  cr_assert_not(decide(policy, state, attempt, at(2)).remember, "and is not again");
}

Test(policy_memory, a_damaged_one_changes_nothing) {
  const NodePolicy policy = default_node_policy();
  PolicyState state;
  (void)decide(policy, state, seen(DetectionClass::key_access, 5), at(5));
  auto bytes = encode_memory(policy, state, kBoot);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Status taken = take_memory(std::span(bytes).first(size), policy, kBoot, at(6), state);
    cr_assert(!taken && taken.error().code == Errc::state_corrupt);
  }
  cr_assert(decide(policy, state, seen(DetectionClass::key_access, 5), at(6)).repeated);
}

Test(policy_memory, of_an_nmm) {
  RecoveryMemory memory;
  memory.history.record(7, Verdict::evict, at(100));
  memory.history.record(7, Verdict::rekey, at(200));
  const IncidentId incident{3, DetectionClass::key_access, 55};
  memory.incidents.add(incident);
  const auto same = RecoveryMemory::decode(memory.encode(kBoot, at(210)), kBoot, at(210));
  cr_assert(same.has_value());
  cr_assert_eq(same->history.recent(7, Verdict::evict, at(210), 120), 1);
  cr_assert_eq(same->history.recent(7, Verdict::evict, at(220), 120), 0);
  cr_assert_eq(same->history.recent(7, Verdict::rekey, at(220), 120), 1);
  cr_assert(same->incidents.contains(incident));
  const auto other = RecoveryMemory::decode(memory.encode(kBoot, at(210)), kOtherBoot, at(10));
  cr_assert_eq(other->history.recent(7, Verdict::evict, at(20), 120), 1);
  cr_assert(other->incidents.contains(incident), "the node's machine was not restarted");
  const auto late = RecoveryMemory::decode(memory.encode(kBoot, at(100'000)), kBoot, at(100'000));
  cr_assert_eq(late->history.entries().size(), 0, "no window is longer than a day");
  const auto whole = memory.encode(kBoot, at(210));
  const auto cut = RecoveryMemory::decode(std::span(whole).first(whole.size() - 1), kBoot, at(210));
  cr_assert(!cut && cut.error().code == Errc::state_corrupt);
}

Test(policy_memory, a_full_one_can_be_stored) {
  RecoveryMemory memory;
  for (std::uint64_t asr = 1; asr <= kActionsKept + 10; ++asr)
    memory.history.record(asr, Verdict::evict, at(1000));
  for (std::size_t i = 0; i < kIncidentsRemembered; ++i)
    memory.incidents.add(
        {UINT64_MAX, DetectionClass::hardware_changed, static_cast<std::int64_t>(INT64_MAX - i)});
  const auto bytes = memory.encode(kBoot, at(1001));
  cr_assert_lt(bytes.size(), 512 * 1024);
  cr_assert_eq(RecoveryMemory::decode(bytes, kBoot, at(1001))->history.entries().size(), kActionsKept);
}
