// What establishments send, and to whom.
#include <criterion/criterion.h>

#include <algorithm>

#include "daemon/protocol/establishment.h"
#include "tests/support/establishment_group.h"

using namespace akm;
using namespace akm::protocol;
using namespace std::chrono_literals;
using testing::EstablishmentGroup;

namespace {

Asr group_of(std::size_t members, Topology topology) {
  Asr asr = testing::fixed_asr(members);
  asr.description.policy.topology = topology;
  return asr;
}

}  // namespace

Test(establishment_frames, mesh_is_each_to_each) {
  EstablishmentGroup group(group_of(4, Topology::mesh));
  const Orders orders = group.start(2);
  cr_assert_eq(orders.frames.size(), 1U);
  cr_assert(orders.frames[0].to == std::vector<std::uint16_t>({0, 1, 3}));
  cr_assert_eq(orders.frames[0].payload.initiator, 2);
  cr_assert_eq(orders.frames[0].payload.target, 2U);
  cr_assert(!orders.frames[0].payload.closing);
}

Test(establishment_frames, star_goes_through_the_initiator_in_linear_frames) {
  constexpr std::size_t kMembers = 40;
  EstablishmentGroup group(group_of(kMembers, Topology::automatic));
  std::size_t frames = group.start(7).frames[0].to.size();
  while (!group.wire.empty()) {
    const auto message = group.wire.front();
    cr_assert(message.from == 7 || message.to == 7);
    group.wire.pop_front();
    for (const Outgoing& outgoing : group.deliver(message).frames) frames += outgoing.to.size();
  }
  cr_assert(group.all_at(2));
  // SEI, closing, SEC, SEF, SE by the initiator; SEI, SEC, SEF, SE by the others; answers to crossing ones.
  cr_assert_lt(frames, 14 * kMembers, "%zu frames", frames);
}

Test(establishment_frames, automatic_is_mesh_up_to_16) {
  EstablishmentGroup group(group_of(16, Topology::automatic));
  group.start(3);
  bool between_others = false;
  while (!group.wire.empty()) {
    between_others |= group.wire.front().from != 3 && group.wire.front().to != 3;
    group.deliver_next();
  }
  cr_assert(between_others);
  cr_assert(group.all_at(2));
}

Test(establishment_frames, who_has_derived_gives_its_contribution_again_but_not_without_end) {
  EstablishmentGroup group(group_of(3, Topology::mesh));
  group.start(0);
  while (!group.wire.empty() && group.at(1).phase() != Phase::sec) group.deliver_next();
  cr_assert_eq(group.at(1).phase(), Phase::sec);
  group.wire.clear();
  SessionPayload sei;
  sei.event = SessionEvent::sei;
  sei.target = 2;
  sei.initiator = 0;
  const Heard heard{2, 1, group.at(1).link().session(), sei};
  const Orders first = group.at(1).hear(group.around(1), heard);
  cr_assert_eq(first.frames.size(), 2U);
  cr_assert(first.frames[0].payload.event == SessionEvent::sei);
  cr_assert(first.frames[1].payload.event == SessionEvent::sec);
  cr_assert(group.at(1).hear(group.around(1), heard).frames.empty(), "again at once: silence");
  group.now = group.now + 50ms;
  cr_assert_eq(group.at(1).hear(group.around(1), heard).frames.size(), 2U);
}

Test(establishment_frames, two_with_different_contributions_do_not_talk_without_end) {
  EstablishmentGroup group(group_of(2, Topology::mesh));
  group.start(0);
  // Member 1 derives, restarts and contributes anew; member 0 had derived from the first contribution.
  while (!group.wire.empty() && group.at(0).phase() != Phase::sec) group.deliver_next();
  group.wire.clear();
  EstablishmentGroup fresh(group_of(2, Topology::mesh));
  group.members[1] = *Generation::install(group_of(2, Topology::mesh), 1);
  group.tick(1);
  group.now = group.now + 50ms;
  group.tick(0);
  SessionPayload sei;
  sei.event = SessionEvent::sei;
  sei.target = 2;
  sei.initiator = 0;
  sei.value = {7};
  group.send(1, group.at(1).hear(group.around(1), {0, 1, group.at(1).link().session(), sei}));
  cr_assert(group.settle(500), "the exchange ends by itself");
}
