#include "daemon/protocol/establishment.h"

#include <criterion/criterion.h>

#include <algorithm>

#include "tests/support/establishment_group.h"

using namespace akm;
using namespace akm::protocol;
using namespace std::chrono_literals;
using testing::EstablishmentGroup;

namespace {

Asr group_of(std::size_t members, Topology topology = Topology::mesh) {
  Asr asr = testing::fixed_asr(members);
  asr.description.policy.topology = topology;
  return asr;
}

/// Delivers what is on the wire until `member` is in `phase`.
bool until(EstablishmentGroup& group, std::size_t member, Phase phase) {
  while (!group.wire.empty() && group.at(member).phase() != phase) group.deliver_next();
  return group.at(member).phase() == phase;
}

}  // namespace

Test(establishment, two_agree_in_four_phases) {
  EstablishmentGroup group(group_of(2));
  cr_assert(group.start(0).started);
  cr_assert_eq(group.at(0).phase(), Phase::sei);
  cr_assert(group.settle());
  cr_assert(group.all_at(2));
  const auto commits =
      std::ranges::count_if(group.log, [](const Orders& orders) { return orders.committed; });
  cr_assert_eq(commits, 2);
}

Test(establishment, mesh_and_star_agree_whoever_starts) {
  for (const Topology topology : {Topology::mesh, Topology::star}) {
    for (std::size_t starter = 0; starter < 5; ++starter) {
      EstablishmentGroup group(group_of(5, topology));
      group.start(starter);
      cr_assert(group.settle());
      cr_assert(group.all_at(2), "topology %d, started by %zu", static_cast<int>(topology), starter);
    }
  }
}

Test(establishment, the_lower_initiator_wins_at_equal_target) {
  EstablishmentGroup group(group_of(4));
  group.start(3);
  group.start(1);
  cr_assert(group.settle());
  cr_assert(group.all_at(2));
  cr_assert_eq(group.at(0).link().base().epoch, 2U);
}

Test(establishment, the_candidate_is_durable_before_the_first_sef) {
  EstablishmentGroup group(group_of(2));
  group.start(0);
  bool seen = false;
  while (!group.wire.empty()) {
    const Orders orders = group.deliver_next();
    for (const Outgoing& outgoing : orders.frames) {
      if (outgoing.payload.event != SessionEvent::sef) continue;
      if (!seen) cr_assert(orders.durable && orders.candidate);
      seen = true;
    }
  }
  cr_assert(seen);
}

Test(establishment, a_frame_that_contradicts_its_attempt_is_refused) {
  EstablishmentGroup group(group_of(3));
  group.start(0);
  cr_assert(until(group, 1, Phase::sec));
  const auto sec = std::ranges::find_if(group.wire, [](const auto& message) {
    return message.to == 1 && message.payload.event == SessionEvent::sec;
  });
  cr_assert(sec != group.wire.end());
  const auto good = *sec;
  const auto refused = [&](auto change) {
    auto bad = good;
    change(bad.payload);
    const Orders orders = group.deliver(bad);
    return orders.refusal == Refusal::malformed_payload && !orders.durable;
  };
  cr_assert(refused([](SessionPayload& payload) { payload.value[0] ^= 1; }));
  cr_assert(refused([](SessionPayload& payload) { payload.target = 3; }));
  cr_assert(refused([](SessionPayload& payload) { payload.initiator = 2; }));
  cr_assert(refused([](SessionPayload& payload) { payload.high_epoch = 9; }));
  cr_assert(refused([](SessionPayload& payload) {
    payload.bitmap = Bitmap::from_bytes(std::array<std::uint8_t, 1>{0xff});
  }));
  cr_assert(refused(
      [](SessionPayload& payload) { payload.bitmap = Bitmap::from_bytes(std::array<std::uint8_t, 1>{0}); }));
  cr_assert_eq(group.at(1).phase(), Phase::sec);
}

Test(establishment, an_sei_out_of_place_is_refused) {
  EstablishmentGroup group(group_of(2));
  SessionPayload payload;
  payload.event = SessionEvent::sei;
  payload.initiator = 0;
  const auto refused = [&] {
    const Orders orders = group.at(1).hear(group.around(1), {0, 1, group.at(1).link().session(), payload});
    return orders.refusal == Refusal::not_expected && group.at(1).phase() == Phase::se;
  };
  payload.target = 1;
  cr_assert(refused(), "the committed epoch");
  payload.target = 2 + limits::kTargetSkip;
  cr_assert(refused(), "too far away");
  payload.target = 2;
  payload.initiator = 7;
  cr_assert(refused(), "no member");
  payload.initiator = 1;
  payload.closing = true;
  payload.bitmap = Bitmap::from_bytes(std::array<std::uint8_t, 1>{0xc0});
  cr_assert(refused(), "closing is the initiator's");
  payload.initiator = 0;
  payload.bitmap = Bitmap::from_bytes(std::array<std::uint8_t, 1>{0x80});
  cr_assert(refused(), "closing without us, quorum is all");
}

Test(establishment, only_the_first_contribution_of_an_incarnation_counts) {
  EstablishmentGroup group(group_of(3));
  group.start(0);
  SessionPayload payload;
  payload.event = SessionEvent::sei;
  payload.target = 2;
  payload.initiator = 0;
  payload.high_epoch = 1;
  payload.value = {1};
  const auto& session = group.at(0).link().session();
  (void)group.at(0).hear(group.around(0), {1, 4, session, payload});
  payload.value = {2};
  (void)group.at(0).hear(group.around(0), {1, 4, session, payload});
  (void)group.at(0).hear(group.around(0), {1, 3, session, payload});
  // The third share completes it; the transcript shows which of the three counted.
  payload.value = {9};
  const Orders orders = group.at(0).hear(group.around(0), {2, 1, session, payload});
  cr_assert_eq(group.at(0).phase(), Phase::sec);
  EstablishmentGroup other(group_of(3));
  other.start(0);
  payload.value = {1};
  (void)other.at(0).hear(other.around(0), {1, 4, other.at(0).link().session(), payload});
  payload.value = {9};
  const Orders same = other.at(0).hear(other.around(0), {2, 1, other.at(0).link().session(), payload});
  cr_assert(orders.frames.back().payload.value == same.frames.back().payload.value);
}

Test(establishment, an_se_under_a_stored_candidate_commits_it) {
  EstablishmentGroup group(group_of(3));
  group.start(0);
  cr_assert(until(group, 2, Phase::sef));
  group.wire.clear();
  // The others commit; then member 2 is told by one SE alone.
  Establishment& member = group.at(2);
  const auto candidate = member.link().stored().back();
  SessionPayload payload;
  payload.event = SessionEvent::se;
  payload.target = candidate->target;
  payload.initiator = candidate->initiator;
  payload.value = candidate->transcript;
  const Orders orders = member.hear(group.around(2), {0, 1, candidate->session, payload});
  cr_assert(orders.committed && orders.durable);
  cr_assert_eq(member.link().epoch(), 2U);
  payload.target = 1;
  const Orders old = group.at(1).hear(group.around(1), {0, 1, group.at(1).link().session(), payload});
  cr_assert(!old.committed);
}

Test(establishment, what_only_follows_a_commit_tells_of_it) {
  EstablishmentGroup group(group_of(2));
  group.start(0);
  cr_assert(until(group, 1, Phase::sef));
  const auto session = group.at(1).link().stored().back()->session;
  cr_assert(!group.at(1).hear_other(group.around(1), 0, group.at(1).link().session()).committed);
  cr_assert(group.at(1).hear_other(group.around(1), 0, session).committed);
}

Test(establishment, an_attempt_that_was_left_is_committed_by_an_se_only) {
  EstablishmentGroup group(group_of(3));
  group.start(0);
  cr_assert(until(group, 2, Phase::sef));
  const auto stored = group.at(2).link().stored().back();
  SessionPayload sef;
  sef.event = SessionEvent::sef;
  sef.target = stored->target;
  sef.initiator = stored->initiator;
  sef.high_epoch = stored->high_epoch;
  sef.value = stored->transcript;
  sef.bitmap = stored->participants;
  // A higher attempt is joined; all SEFs of the lower one come late.
  SessionPayload sei;
  sei.event = SessionEvent::sei;
  sei.target = 3;
  sei.initiator = 1;
  (void)group.at(2).hear(group.around(2), {1, 1, group.at(2).link().session(), sei});
  cr_assert_eq(group.at(2).phase(), Phase::sei);
  cr_assert(!group.at(2).hear(group.around(2), {0, 1, stored->session, sef}).committed);
  cr_assert_eq(group.at(2).link().epoch(), 1U);
  SessionPayload se = sef;
  se.event = SessionEvent::se;
  se.bitmap = {};
  cr_assert(group.at(2).hear(group.around(2), {0, 1, stored->session, se}).committed);
}

Test(establishment, one_that_is_behind_learns_the_epoch_under_its_own_key) {
  EstablishmentGroup group(group_of(2));
  const auto old = group.at(0).link().session();
  group.start(0);
  cr_assert(until(group, 0, Phase::sef));
  cr_assert(until(group, 0, Phase::se));
  Ladder& ahead = group.members[0].ladder;
  const auto committed = group.at(0).link().session();
  cr_assert_eq(group.at(0).link().epoch(), 2U);
  // The other speaks under the old key.
  SessionPayload hello;
  hello.target = 1;
  hello.high_epoch = 1;
  const Orders orders = ahead.hear(group.around(0), {1, 1, old, hello});
  // First what lets it follow if it has stored the candidate, then what it can open in any case.
  cr_assert_eq(orders.frames.size(), 2U);
  cr_assert_eq(orders.frames[0].under, committed);
  cr_assert_eq(orders.frames[1].under->epoch(), 1U);
  cr_assert_eq(orders.frames[1].payload.target, 2U);
  // One that is known to have committed is late, not behind.
  SessionPayload se;
  se.target = 2;
  (void)ahead.hear(group.around(0), {1, 1, committed, se});
  cr_assert(ahead.hear(group.around(0), {1, 1, old, hello}).frames.empty());
}

Test(establishment, one_that_left_for_a_higher_attempt_follows_who_has_committed) {
  // In star: the initiator could not commit (its disk), one member has, and its SEs went to the initiator
  // only.
  EstablishmentGroup group(group_of(3, Topology::star));
  const auto old = group.at(2).link().session();
  group.start(0);
  cr_assert(until(group, 1, Phase::sef));
  cr_assert(until(group, 2, Phase::sef));
  const auto stored = group.at(2).link().stored().back();
  SessionPayload payload;
  payload.event = SessionEvent::sef;
  payload.target = stored->target;
  payload.initiator = stored->initiator;
  payload.high_epoch = stored->high_epoch;
  payload.value = stored->transcript;
  payload.bitmap = stored->participants;
  cr_assert(group.at(2).hear(group.around(2), {0, 1, stored->session, payload}).committed);
  group.wire.clear();
  // The other joins the next attempt and asks for the contribution that cannot come.
  SessionPayload sei;
  sei.event = SessionEvent::sei;
  sei.target = 3;
  sei.initiator = 0;
  (void)group.at(1).hear(group.around(1), {0, 1, group.at(1).link().session(), sei});
  cr_assert_eq(group.at(1).phase(), Phase::sei);
  group.send(2, group.members[2].ladder.hear(group.around(2), {1, 1, old, sei}));
  cr_assert_eq(group.wire.size(), 2U);
  cr_assert(group.deliver_next().committed);
  cr_assert_eq(group.at(1).link().epoch(), 2U);
  cr_assert(group.members[1].check() == group.members[2].check());
}

Test(establishment, undone_is_as_if_it_had_not_been) {
  EstablishmentGroup group(group_of(2));
  group.start(0);
  while (!group.wire.empty()) {
    const auto message = group.wire.front();
    group.wire.pop_front();
    const Establishment before = group.at(message.to);
    const auto wire = group.wire;
    if (!group.deliver(message).durable) continue;
    group.at(message.to) = before;  // the disk was full
    group.wire = wire;
    cr_assert_eq(group.at(message.to).link().epoch(), 1U);
    break;
  }
  cr_assert(group.run(10s));
  cr_assert(group.all_at(2), "a repeat brings it through");
}
