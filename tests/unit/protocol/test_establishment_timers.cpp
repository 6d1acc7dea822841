// Attempts as time drives them.
#include <criterion/criterion.h>

#include <algorithm>
#include <set>

#include "daemon/protocol/establishment.h"
#include "tests/support/establishment_group.h"

using namespace akm;
using namespace akm::protocol;
using namespace std::chrono_literals;
using testing::EstablishmentGroup;

namespace {

Asr group_of(std::size_t members) {
  Asr asr = testing::fixed_asr(members);
  asr.description.policy.topology = Topology::mesh;
  return asr;
}

/// Runs one member's timers alone, nothing is delivered.
std::vector<Orders> alone(EstablishmentGroup& group, std::size_t i, Duration span) {
  std::vector<Orders> steps;
  const Instant end = group.now + span;
  while (const auto due = group.members[i].ladder.next_deadline()) {
    if (*due > end) break;
    group.now = std::max(group.now, *due);
    steps.push_back(group.tick(i));
  }
  group.now = end;
  group.wire.clear();
  return steps;
}

}  // namespace

Test(establishment_timers, repeats_double_up_to_a_second) {
  EstablishmentGroup group(group_of(2));
  group.start(0);
  std::vector<std::int64_t> pauses;
  Instant last = group.now;
  for (int i = 0; i < 7; ++i) {
    group.now = *group.at(0).next_deadline();
    pauses.push_back((group.now - last).count() / 1'000'000);
    last = group.now;
    group.tick(0);
  }
  cr_assert(pauses == std::vector<std::int64_t>({50, 100, 200, 400, 800, 1000, 1000}));
}

Test(establishment_timers, nset_leads_to_the_next_target_by_the_lowest_heard) {
  EstablishmentGroup group(group_of(3));
  group.start(0);
  const auto steps = alone(group, 0, 5500ms);
  const auto failed =
      std::ranges::find_if(steps, [](const Orders& orders) { return orders.failed.has_value(); });
  cr_assert(failed != steps.end());
  cr_assert_eq(failed->failed->target, 2U);
  cr_assert_eq(failed->failed->failures, 1U);
  cr_assert(failed->failed->waited_for == std::vector<std::uint16_t>({1, 2}));
  const auto again =
      std::ranges::find_if(failed + 1, steps.end(), [](const Orders& orders) { return orders.started; });
  cr_assert(again != steps.end());
  cr_assert_eq(again->frames[0].payload.target, 3U);
}

Test(establishment_timers, a_higher_index_leaves_the_lowest_its_turn) {
  EstablishmentGroup group(group_of(3));
  group.start(2);
  group.now = group.now + 4900ms;
  group.members[2].peers->find(0)->last_heard = group.now;
  auto steps = alone(group, 2, 1500ms);
  cr_assert(std::ranges::none_of(steps, [](const Orders& orders) { return orders.started; }));
  steps = alone(group, 2, 2000ms);
  cr_assert(std::ranges::any_of(steps, [](const Orders& orders) { return orders.started; }),
            "NNRT later its own");
}

Test(establishment_timers, in_star_without_its_initiator_the_members_take_turns) {
  Asr asr = testing::fixed_asr(32);
  asr.description.policy.topology = Topology::star;
  EstablishmentGroup group(asr);
  for (std::size_t i = 1; i < 32; ++i) {
    // All have joined the initiator's attempt at one moment; it is not heard again.
    group.now = Instant{1'000'000'000};
    group.start(i);
    (void)alone(group, i, 5000ms);
    cr_assert_eq(group.at(i).phase(), Phase::sei);
    const auto steps = alone(group, i, 49ms + 50ms * (static_cast<int>(i) - 1));
    cr_assert(std::ranges::none_of(steps, [](const Orders& orders) { return orders.started; }), "%zu", i);
    const auto later = alone(group, i, 1ms);
    cr_assert(std::ranges::any_of(later, [](const Orders& orders) { return orders.started; }), "%zu", i);
  }
}

Test(establishment_timers,
     after_three_failures_the_chains_above_have_their_turn_and_pauses_grow_to_their_cap) {
  EstablishmentGroup group(group_of(2));
  group.start(0);
  const auto first = alone(group, 0, 16s);
  cr_assert_eq(std::ranges::count_if(first, [](const Orders& orders) { return orders.failed.has_value(); }),
               3);
  cr_assert_eq(group.at(0).phase(), Phase::se);
  cr_assert_eq(group.members[0].ladder.active(), Chain::fallback);
  // One attempt on each chain in a round: 5, 10 and 20 s, and the pause of 60 s.
  const auto hour = alone(group, 0, 3600s);
  const auto attempts = std::ranges::count_if(hour, [](const Orders& orders) { return orders.started; });
  cr_assert_geq(attempts, 3 * 3600 / 96);
  cr_assert_leq(attempts, 3 * 3600 / 95 + 10);
}

Test(establishment_timers, a_member_that_comes_back_ends_the_pause) {
  EstablishmentGroup group(group_of(2));
  group.start(0);
  // Three attempts of 5 s, three of 10 s, one of 20 s: the pause of 5 s has begun.
  (void)alone(group, 0, 67s);
  SessionPayload hello;
  hello.target = 1;
  hello.high_epoch = 1;
  cr_assert_eq(group.at(0).phase(), Phase::se);
  const auto pause = group.at(0).next_deadline();
  cr_assert(pause && *pause > group.now + 50ms);
  (void)group.at(0).hear(group.around(0), {1, 2, group.at(0).link().session(), hello});
  const auto ended = group.at(0).next_deadline();
  cr_assert(ended && *ended <= group.now + 50ms);
  cr_assert(group.run(60s));
  cr_assert(group.all_at(group.at(0).link().epoch()));
  cr_assert_gt(group.at(0).link().epoch(), 1U);
}

Test(establishment_timers, se_is_repeated_three_times_at_most) {
  EstablishmentGroup group(group_of(2));
  group.start(0);
  while (!group.wire.empty() && group.at(0).link().epoch() == 1) group.deliver_next();
  cr_assert_eq(group.at(0).link().epoch(), 2U);
  const auto steps = alone(group, 0, 5s);
  const auto repeats =
      std::ranges::count_if(steps, [](const Orders& orders) { return !orders.frames.empty(); });
  cr_assert_leq(repeats, 2);
}

Test(establishment_timers, the_old_key_receives_for_the_grace_time) {
  EstablishmentGroup group(group_of(2));
  group.start(0);
  cr_assert(group.settle());
  cr_assert(group.at(0).link().previous() != nullptr);
  cr_assert_eq(group.at(0).sessions(1).size(), 1U);
  (void)alone(group, 0, 2100ms);
  cr_assert(group.at(0).link().previous() == nullptr);
  cr_assert(group.at(0).sessions(1).empty());
}

Test(establishment_timers, a_restart_in_sef_goes_on_in_sef) {
  EstablishmentGroup group(group_of(2));
  group.start(0);
  while (!group.wire.empty() && group.at(1).phase() != Phase::sef) group.deliver_next();
  cr_assert_eq(group.at(1).phase(), Phase::sef);
  group.wire.clear();
  group.at(1) = Establishment(group.at(1).link());
  group.members[1].ladder.resume_after_restart(group.around(1));
  cr_assert_eq(group.at(1).phase(), Phase::sef);
  cr_assert(group.run(20s));
  cr_assert_eq(group.at(0).link().epoch(), group.at(1).link().epoch());
  cr_assert(group.all_at(2), "the candidate it held is committed, without a new attempt");
}

Test(establishment_timers, a_restart_leads_to_a_rekey_before_late_frames_are_alarms) {
  EstablishmentGroup group(group_of(3));
  group.at(1) = Establishment(group.at(1).link());
  group.members[1].ladder.resume_after_restart(group.around(1));
  cr_assert(group.run(1500ms));
  cr_assert(group.all_at(2));
}

Test(establishment_timers, timed_rekeys_follow_the_interval) {
  Asr asr = group_of(3);
  asr.description.policy.rekey_interval_s = 100;
  EstablishmentGroup group(asr);
  for (std::size_t i = 0; i < 3; ++i) group.at(i).resume(group.around(i));
  cr_assert(group.run(1010s));
  const std::uint32_t epoch = group.at(0).link().epoch();
  cr_assert_geq(epoch, 10U);
  cr_assert_leq(epoch, 13U);
  cr_assert(group.all_at(epoch));
}

Test(establishment_timers, timed_rekeys_are_spread) {
  Asr asr = group_of(3);
  asr.description.policy.rekey_interval_s = 1000;
  EstablishmentGroup group(asr);
  std::set<std::int64_t> lowest;
  for (int i = 0; i < 32; ++i) {
    group.at(0).plan_rekey(group.around(0));
    group.at(1).plan_rekey(group.around(1));
    const auto after = [&](std::size_t member) {
      return std::chrono::duration_cast<std::chrono::seconds>(*group.at(member).next_deadline() - group.now)
          .count();
    };
    cr_assert(after(0) >= 900 && after(0) < 1000, "up to a tenth early");
    cr_assert_geq(after(1), 1000, "the others follow the lowest index");
    lowest.insert(after(0));
  }
  cr_assert_gt(lowest.size(), 8U, "not always at the same time");
}

Test(establishment_timers, nobody_reachable_nothing_started) {
  Asr asr = testing::fixed_asr(2, 1, Kind::provisioning, false);
  EstablishmentGroup group(asr);
  cr_assert(!group.start(0).started);
  group.at(0).resume(group.around(0));
  (void)alone(group, 0, 7200s);
  cr_assert(!group.at(0).next_deadline(), "an idle daemon has no timer for it");
}
