#include "daemon/protocol/ladder.h"

#include <criterion/criterion.h>

#include "daemon/protocol/asr_record.h"
#include "tests/support/establishment_group.h"

using namespace akm;
using namespace akm::protocol;
using namespace std::chrono_literals;

namespace {

using Message = testing::EstablishmentGroup::Message;

Asr group_of(std::size_t members, Quorum quorum = Quorum::all) {
  Asr asr = testing::fixed_asr(members);
  asr.description.policy.quorum = quorum;
  asr.description.policy.resync_min_interval_s = 1;
  return asr;
}

/// Delivers and lets time pass, without what `cut` says or hears.
void run_without(testing::EstablishmentGroup& group, std::optional<std::uint16_t> cut, Duration span) {
  const Instant end = group.now + span;
  while (group.now < end) {
    std::erase_if(group.wire, [&](const Message& m) { return cut && (m.from == *cut || m.to == *cut); });
    if (!group.wire.empty()) {
      group.log.push_back(group.deliver_next());
      continue;
    }
    std::optional<Instant> next;
    std::size_t who = 0;
    for (std::size_t i = 0; i < group.members.size(); ++i) {
      const auto due = group.members[i].ladder.next_deadline();
      if (due && (!next || *due < *next)) next = due, who = i;
    }
    if (!next || *next > end) break;
    group.now = std::max(group.now, *next);
    group.log.push_back(group.tick(who));
  }
  group.now = end;
}

bool agree(testing::EstablishmentGroup& group) {
  const std::uint32_t epoch = group.at(0).link().epoch();
  return group.all_at(epoch);
}

std::size_t exhausted(const testing::EstablishmentGroup& group) {
  return static_cast<std::size_t>(
      std::ranges::count_if(group.log, [](const Orders& orders) { return orders.chains_exhausted; }));
}

}  // namespace

Test(ladder, the_initiator_closes_without_a_member_that_is_away_and_it_comes_back_by_the_fallback_chain) {
  testing::EstablishmentGroup group(group_of(5, Quorum::majority));
  (void)group.start(0);
  run_without(group, 4, 3s);
  for (std::size_t i = 0; i < 4; ++i) {
    cr_assert_eq(group.at(i).link().epoch(), 2U, "member %zu", i);
    cr_assert(group.members[i].check() == group.members[0].check());
  }
  cr_assert_eq(group.at(4).link().epoch(), 1U);
  // The one that was left out does not know of it: it tries, on the normal chain in vain.
  (void)group.start(4);
  run_without(group, std::nullopt, 30s);
  cr_assert(agree(group));
  cr_assert_eq(group.members[4].chain(Chain::fallback).link().epoch(),
               group.members[0].chain(Chain::fallback).link().epoch());
  cr_assert_gt(group.members[0].chain(Chain::fallback).link().epoch(), 1U);
  cr_assert_gt(group.at(0).link().epoch(), 2U);
}

Test(ladder, who_missed_a_fallback_comes_back_by_the_failsafe_chain_which_is_used_once) {
  testing::EstablishmentGroup group(group_of(4, Quorum::majority));
  (void)group.start(0);
  run_without(group, 3, 3s);
  (void)group.start(1);
  run_without(group, 3, 5s);
  cr_assert_eq(group.at(0).link().epoch(), 3U);
  // A fallback without it.
  const auto around = group.around(0);
  (void)group.send(0, group.members[0].chain(Chain::fallback).start(around));
  run_without(group, 3, 5s);
  cr_assert_eq(group.members[1].chain(Chain::fallback).link().epoch(), 2U);
  cr_assert_eq(group.members[3].chain(Chain::fallback).link().epoch(), 1U);
  cr_assert_eq(exhausted(group), 0U);
  (void)group.start(3);
  run_without(group, std::nullopt, 80s);
  cr_assert(agree(group));
  for (std::size_t i = 0; i < 4; ++i) {
    cr_assert(group.members[i].chain(Chain::failsafe).link().is_spent());
    cr_assert_eq(group.members[i].chain(Chain::fallback).link().epoch(),
                 group.members[0].chain(Chain::fallback).link().epoch());
  }
  cr_assert_geq(exhausted(group), 1U, "the NMM is asked for a generation that brings another failsafe chain");
}

Test(ladder, chains_that_lead_nowhere_are_reported_and_tried_again_with_ever_longer_pauses) {
  testing::EstablishmentGroup group(group_of(3));
  (void)group.start(0);
  run_without(group, 2, 66s);
  cr_assert_geq(exhausted(group), 1U);
  cr_assert_eq(group.at(0).link().epoch(), 1U);
  run_without(group, 2, 600s);
  const std::size_t rounds = exhausted(group);
  cr_assert_leq(rounds, 20U);
  run_without(group, std::nullopt, 200s);
  cr_assert(agree(group), "who was away is back");
  cr_assert_gt(group.at(0).link().epoch(), 1U);
}

Test(ladder, a_member_that_is_behind_within_the_grace_time_starts_the_fallback_chain_at_once) {
  testing::EstablishmentGroup group(group_of(3, Quorum::majority));
  (void)group.start(0);
  run_without(group, 2, 2100ms);
  cr_assert_eq(group.at(0).link().epoch(), 2U);
  (void)group.start(2);
  run_without(group, std::nullopt, 1s);
  cr_assert(agree(group));
  cr_assert_eq(group.at(0).link().epoch(), 3U);
  cr_assert_eq(group.members[0].chain(Chain::fallback).link().epoch(), 2U);
}

Test(ladder, re_roots_keep_their_distance) {
  Asr asr = group_of(3);
  asr.description.policy.resync_min_interval_s = 60;
  testing::EstablishmentGroup group(asr);
  (void)group.send(0, group.members[0].chain(Chain::fallback).start(group.around(0)));
  run_without(group, std::nullopt, 1s);
  cr_assert_eq(group.members[2].chain(Chain::fallback).link().epoch(), 2U);
  (void)group.send(0, group.members[0].chain(Chain::fallback).start(group.around(0)));
  const Message inform = group.wire.front();
  group.wire.clear();
  const Orders refused = group.deliver(inform);
  cr_assert_eq(*refused.refusal, Refusal::not_expected);
  cr_assert_eq(group.members[inform.to].chain(Chain::fallback).phase(), Phase::se);
}

Test(ladder, the_first_frame_under_the_re_rooted_key_commits_the_candidate_that_led_there) {
  testing::EstablishmentGroup group(group_of(2));
  (void)group.send(0, group.members[0].chain(Chain::fallback).start(group.around(0)));
  // Everything but SEF to member 1 and SE to it.
  std::optional<Message> se;
  while (!group.wire.empty()) {
    const Message message = group.wire.front();
    group.wire.pop_front();
    if (message.to == 1 && message.payload.event == SessionEvent::sef) continue;
    if (message.payload.event == SessionEvent::se && message.to == 1) {
      se = message;
      break;
    }
    (void)group.deliver(message);
  }
  cr_assert(se);
  cr_assert_eq(se->chain, Chain::normal);
  cr_assert_eq(group.at(1).link().epoch(), 1U);
  const Orders orders = group.deliver(*se);
  cr_assert(orders.committed && orders.durable);
  cr_assert_eq(orders.chain, Chain::fallback);
  cr_assert(agree(group));
  cr_assert_eq(group.at(1).link().epoch(), 2U);
}

Test(ladder, an_attempt_on_a_chain_above_ends_those_below_and_nobody_joins_one_there) {
  testing::EstablishmentGroup group(group_of(3));
  (void)group.start(0);
  const Message normal = group.wire.front();
  (void)group.send(2, group.members[2].chain(Chain::fallback).start(group.around(2)));
  cr_assert_eq(group.members[2].ladder.active(), Chain::fallback);
  Message inform = normal;
  inform.to = 2;
  group.wire.clear();
  const Orders answer = group.deliver(inform);
  cr_assert_eq(*answer.refusal, Refusal::not_expected);
  cr_assert_eq(answer.frames.size(), 1U, "it is told of the attempt above");
  cr_assert_eq(answer.frames[0].under->chain(), Chain::fallback);
  run_without(group, std::nullopt, 1s);
  cr_assert(agree(group));
  cr_assert_eq(group.members[0].chain(Chain::fallback).link().epoch(), 2U);
}

Test(ladder, a_candidate_above_is_dropped_when_a_commit_below_has_passed_where_it_leads) {
  testing::EstablishmentGroup group(group_of(2));
  // Both store a candidate of the fallback chain, which leads to normal epoch 2, and then give it up.
  (void)group.send(0, group.members[0].chain(Chain::fallback).start(group.around(0)));
  while (!group.wire.empty()) {
    const Message message = group.wire.front();
    group.wire.pop_front();
    if (message.payload.event != SessionEvent::sef) (void)group.deliver(message);
  }
  const CandidatePtr left = group.members[0].chain(Chain::fallback).link().stored().back();
  cr_assert_eq(left->reroot_of(Chain::normal)->next.epoch, 2U);
  for (std::size_t i = 0; i < 2; ++i) group.members[i].chain(Chain::fallback).supersede();
  (void)group.start(0);
  cr_assert(group.settle());
  const std::uint32_t epoch = group.at(0).link().epoch();
  cr_assert(group.all_at(epoch));
  cr_assert_gt(epoch, 2U, "an epoch that a re-root may bring has no other key");
  for (std::size_t i = 0; i < 2; ++i) {
    cr_assert(group.members[i].chain(Chain::fallback).link().stored().empty());
    cr_assert(group.members[i].ladder.sessions(Chain::normal, 2).empty(), "no way back");
    RelationshipState state;
    state.current = group.members[i];
    cr_assert(decode_record(encode_record(state, std::nullopt), group.now), "it can restart");
  }
}

Test(ladder, a_reminder_that_tells_of_a_commit_makes_it_durable) {
  testing::EstablishmentGroup group(group_of(2));
  // Member 1 holds the candidate of the failsafe chain that member 0 commits.
  (void)group.send(0, group.members[0].chain(Chain::failsafe).start(group.around(0)));
  while (!group.wire.empty()) {
    const Message message = group.wire.front();
    group.wire.pop_front();
    if (message.to == 1 && message.payload.event == SessionEvent::sef) continue;
    if (message.to == 1 && message.payload.event == SessionEvent::se) continue;
    (void)group.deliver(message);
  }
  cr_assert(group.members[0].chain(Chain::failsafe).link().is_spent());
  cr_assert_eq(group.members[1].chain(Chain::failsafe).phase(), Phase::sef);
  const auto& fallback = group.members[0].chain(Chain::fallback);
  (void)group.send(0, fallback.remind({1}, group.at(0).link().epoch()));
  const Orders orders = group.deliver_next();
  cr_assert(orders.committed && orders.durable);
  cr_assert_eq(orders.chain, Chain::failsafe);
  cr_assert(agree(group));
}

Test(ladder, the_normal_chain_is_tried_while_a_re_root_has_to_wait) {
  Asr asr = group_of(3);
  asr.description.policy.resync_min_interval_s = 3000;
  testing::EstablishmentGroup group(asr);
  (void)group.send(0, group.members[0].chain(Chain::fallback).start(group.around(0)));
  run_without(group, std::nullopt, 1s);
  cr_assert_eq(group.members[2].chain(Chain::fallback).link().epoch(), 2U);
  const std::uint32_t before = group.at(0).link().epoch();
  (void)group.start(0);
  run_without(group, 2, 60s);
  cr_assert_eq(group.at(0).link().epoch(), before);
  run_without(group, std::nullopt, 100s);
  cr_assert(agree(group), "who was away is back");
  cr_assert_gt(group.at(0).link().epoch(), before);
  cr_assert_eq(group.members[0].chain(Chain::fallback).link().epoch(), 2U);
}

Test(ladder, below_a_stored_candidate_nothing_begins_and_nobody_joins) {
  testing::EstablishmentGroup group(group_of(2));
  (void)group.send(0, group.members[0].chain(Chain::fallback).start(group.around(0)));
  // Both have stored it, and no SEF arrives.
  while (!group.wire.empty()) {
    const Message message = group.wire.front();
    group.wire.pop_front();
    if (message.payload.event != SessionEvent::sef) (void)group.deliver(message);
  }
  for (const auto& member : group.members) cr_assert_eq(member.chain(Chain::fallback).phase(), Phase::sef);
  // Nobody hears anybody until all chains are used up, and on.
  const Instant end = group.now + 300s;
  while (group.now < end) {
    for (const Message& message : group.wire) {
      cr_assert(message.chain != Chain::normal || message.payload.event == SessionEvent::se,
                "an attempt below could be committed beside the candidate");
    }
    group.wire.clear();
    std::size_t who = 0;
    for (std::size_t i = 1; i < group.members.size(); ++i) {
      if (group.members[i].ladder.next_deadline() < group.members[who].ladder.next_deadline()) who = i;
    }
    group.now = std::max(group.now, *group.members[who].ladder.next_deadline());
    (void)group.tick(who);
  }
  run_without(group, std::nullopt, 200s);
  cr_assert(agree(group));
}

/// It would derive the same candidate once more, and take frames that it has had for new ones.
Test(ladder, nobody_comes_back_to_an_attempt_that_it_has_left) {
  testing::EstablishmentGroup group(group_of(2));
  const auto failsafe = [&](std::size_t member) -> Establishment& {
    return group.members[member].chain(Chain::failsafe);
  };
  (void)group.send(0, failsafe(0).start(group.around(0)));
  const Message first = group.wire.front();
  (void)group.deliver_next();
  cr_assert(failsafe(1).phase() == Phase::sec, "it has derived a candidate");
  while (failsafe(1).phase() != Phase::se) {
    group.now = *group.members[1].ladder.next_deadline();
    (void)group.tick(1);
  }
  group.wire.clear();
  (void)group.deliver(first);
  cr_assert_not(group.wire.empty());
  const Message& answer = group.wire.front();
  cr_assert(answer.chain == Chain::failsafe && answer.payload.event == SessionEvent::sei);
  cr_assert_eq(answer.payload.target, first.payload.target + 1, "it answers with a higher one");
}

/// Who was left out of an attempt that re-roots waits for the distance from the last re-root too.
Test(ladder, who_was_left_out_above_keeps_the_distance_of_re_roots) {
  testing::EstablishmentGroup group(group_of(5, Quorum::majority));
  // Left out once, member 4 comes back by the fallback chain: a re-root of all.
  (void)group.start(0);
  run_without(group, 4, 3s);
  (void)group.start(4);
  run_without(group, std::nullopt, 30s);
  cr_assert(agree(group));
  Establishment& fallback = group.members[4].chain(Chain::fallback);
  Surroundings around = group.around(4);
  around.not_before = group.now + 5s;
  cr_assert(fallback.start(around).started);
  SessionPayload closing;
  closing.event = SessionEvent::sei;
  closing.closing = true;
  closing.initiator = 0;
  closing.target = fallback.link().highest_epoch() + 1;
  closing.high_epoch = around.high_epoch;
  closing.bitmap = Bitmap::for_roster(around.description);
  for (std::uint16_t index = 0; index < 4; ++index) closing.bitmap.set(index);
  (void)fallback.hear(around, {0, 1, fallback.link().session(), closing});
  cr_assert(fallback.phase() == Phase::se, "the others agree without it");
  cr_assert(fallback.next_deadline() >= around.not_before);
}
