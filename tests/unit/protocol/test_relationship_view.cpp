// What is shown of a relationship: members as they were heard, and what an attempt waits for.
#include <criterion/criterion.h>

#include "daemon/protocol/data_payload.h"
#include "daemon/protocol/relationship.h"
#include "tests/support/asr_fixture.h"

using namespace akm;
using namespace akm::protocol;
using namespace std::chrono_literals;
using testing::EngineNet;
using testing::fixed_asr;
using testing::Speaker;

namespace {

constexpr AsrId kId = 0xabcdef;

/// Three members with one key; the last is cut off afterwards.
EngineNet group_of_three(Asr& asr) {
  EngineNet net(3, 5);
  asr = net.make_asr(kId, 1, 3);
  net.install_everywhere(asr);
  net.run(1s);
  return net;
}

}  // namespace

Test(relationship_view, members_are_known_by_what_they_spoke_under) {
  Asr asr;
  EngineNet net = group_of_three(asr);
  const auto at_install = *net.view(0, kId);
  cr_assert_eq(at_install.members[1].generation, 1, "a hello is under the committed key");
  cr_assert_eq(at_install.members[1].epoch, 1);
  cr_assert(at_install.awaited == Awaited::nothing);
  cr_assert_eq(at_install.target, 0);
  const Instant before = net.now();
  net.give(1, RequestRekey{kId});
  net.run(500ms);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto view = *net.view(i, kId);
    cr_assert_eq(view.epoch, 2);
    cr_assert_geq(view.since.ns, before.ns);
    cr_assert_geq(view.phase_since.ns, view.since.ns, "back in SE with the commit");
    for (const MemberView& member : view.members) {
      if (member.index == view.own_index) continue;
      cr_assert_eq(member.epoch, 2, "%u of %zu", member.index, i);
      cr_assert(member.since && *member.since >= before);
      cr_assert_not(member.awaited);
    }
  }
}

Test(relationship_view, an_attempt_names_those_that_it_waits_for_and_until_when) {
  Asr asr;
  EngineNet net = group_of_three(asr);
  net.faults.cut_off = {2};
  net.give(0, RequestRekey{kId});
  const Instant started = net.now();
  net.run(1s);
  const auto view = *net.view(0, kId);
  cr_assert(view.phase == Phase::sei);
  cr_assert(view.awaited == Awaited::members);
  cr_assert(view.awaited_until == started + Duration(5s), "NSET");
  cr_assert_eq(view.target, 2);
  cr_assert(view.phase_since == started);
  cr_assert_not(view.members[1].awaited);
  cr_assert(view.members[2].awaited);
  cr_assert_eq(view.members[2].epoch, 1, "as it was last heard");
}

Test(relationship_view, when_the_chains_are_used_up_the_pause_and_the_nmm_are_named) {
  Asr asr;
  EngineNet net = group_of_three(asr);
  net.faults.cut_off = {2};
  net.give(0, RequestRekey{kId});
  bool fallback = false;
  bool failsafe = false;
  bool pause = false;
  for (int i = 0; i < 2000 && !pause; ++i) {
    net.run(100ms);
    const auto view = *net.view(0, kId);
    fallback |= view.chain == Chain::fallback && view.awaited == Awaited::members;
    failsafe |= view.chain == Chain::failsafe && view.awaited == Awaited::members;
    pause |= view.nmm_asked && view.phase == Phase::se && view.awaited == Awaited::next_attempt;
  }
  cr_assert(fallback && failsafe && pause);
  const auto view = *net.view(0, kId);
  cr_assert(view.awaited_until && *view.awaited_until >= net.now());
  cr_assert(view.members[2].awaited);
  cr_assert_eq(view.epoch, 1);
  net.faults.cut_off.clear();
  net.run(120s);
  const auto after = *net.view(0, kId);
  cr_assert_not(after.nmm_asked);
  cr_assert_gt(after.epoch, 1);
  cr_assert_eq(after.members[2].epoch, after.epoch);
  cr_assert(after.awaited == Awaited::nothing);
}

Test(relationship_view, an_installed_generation_and_what_was_heard_before_its_switch_are_shown) {
  Asr asr;
  EngineNet net = group_of_three(asr);
  const Asr next = net.make_asr(kId, 2, 3);
  net.give(0, InstallAsr{next.clone(), 0, false, 0});
  cr_assert_eq(net.view(0, kId)->installed_generation, 2);
  const Instant installed = net.now();
  net.give(1, RequestRekey{kId});
  net.run(500ms);
  cr_assert_eq(net.view(0, kId)->members[1].epoch, 2);
  net.give(0, SwitchGeneration{kId, 2});
  const auto view = *net.view(0, kId);
  cr_assert_eq(view.installed_generation, 0);
  cr_assert_eq(view.description.generation, 2);
  cr_assert_eq(view.members[1].generation, 1, "it has not spoken under the new one");
  cr_assert_eq(view.members[1].epoch, 2);
  cr_assert(*view.members[1].last_heard > installed, "heard after the install");
}

Test(relationship_view, a_step_that_could_not_be_stored_is_not_shown) {
  Engine engine({1, 1});
  testing::SeededRandom random{3};
  const Asr asr = fixed_asr(3, 1);
  (void)engine.step(InstallAsr{asr.clone(), 0, false, 0}, Instant{1'000}, random);
  (void)engine.step(DeadlineReached{}, Instant{2'000}, random);
  (void)engine.step(InstallAsr{fixed_asr(3, 2), 0, true, 1}, Instant{3'000}, random);
  cr_assert(engine.view(kId)->since == Instant{3'000});
  (void)engine.step(StoreFailed{kId}, Instant{4'000}, random);
  cr_assert(engine.view(kId)->since == Instant{1'000});
}

Test(relationship_view, datagrams_are_counted_for_each_relationship) {
  Engine engine({1, 1});
  testing::SeededRandom random{3};
  (void)engine.step(InstallAsr{fixed_asr(3), 0, false, 0}, Instant{1'000}, random);
  Speaker speaker(fixed_asr(3), 1, 1, 1);
  for (const std::uint16_t to : {std::uint16_t{0}, std::uint16_t{2}}) {
    std::vector<std::uint8_t> payload(kDataHeaderBytes + 1);
    encode_data_payload({to, std::vector<std::uint8_t>{7}}, payload);
    auto frame = speaker.frame(FrameType::data, payload);
    (void)engine.step(FrameReceived{frame, *parse_endpoint("10.0.0.2:7400")}, Instant{2'000}, random);
  }
  const std::vector<std::uint8_t> bytes{1};
  (void)engine.step(SendData{kId, kEveryone, bytes}, Instant{3'000}, random);
  const DataCounts counts = engine.view(kId)->data;
  cr_assert_eq(counts.sent, 1);
  cr_assert_eq(counts.received, 1);
  cr_assert_eq(counts.refused, 1, "for another member");
  cr_assert_eq(engine.view(kId)->members[1].epoch, 1, "data is only sent under what is committed");
}
