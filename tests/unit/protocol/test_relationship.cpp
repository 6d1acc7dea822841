#include "daemon/protocol/relationship.h"

#include <criterion/criterion.h>

#include <array>

#include "tests/support/asr_fixture.h"

using namespace akm;
using namespace akm::protocol;
using namespace std::chrono_literals;
using testing::fixed_asr;
using testing::only;
using testing::Speaker;

namespace {

/// One relationship, as the engine holds it.
struct Held {
  Engine::Options options{1, 1};
  Counters counters;
  testing::SeededRandom random{3};
  EffectList effects;
  Instant now{1'000'000'000};
  Relationship relationship{0xabcdef};
  Endpoint other = *parse_endpoint("10.0.0.2:7400");

  StepContext step() {
    effects.clear();
    return {options, counters, now, random, effects};
  }
  Status install(const Asr& asr, std::uint16_t index = 0, bool immediate = false, std::uint32_t retire = 0) {
    auto context = step();
    return relationship.install({asr.clone(), index, immediate, retire}, context);
  }
  std::expected<void, Refusal> receive(const std::vector<std::uint8_t>& frame) {
    return receive(frame, other);
  }
  std::expected<void, Refusal> receive(const std::vector<std::uint8_t>& frame, const Endpoint& from) {
    std::array<std::uint8_t, limits::kFrameBytes> plain{};
    auto context = step();
    return relationship.receive(*parse_header(frame), frame, from, plain, context);
  }
};

}  // namespace

Test(relationship, install_uses_epoch_1_at_once) {
  Held held;
  cr_assert(held.relationship.empty());
  cr_assert(held.install(fixed_asr(3)));
  cr_assert(held.relationship.dirty());
  const auto keys = only<InstallKey>(held.effects);
  cr_assert_eq(keys.size(), 1U);
  cr_assert_eq(keys[0]->epoch, 1U);
  cr_assert_gt(keys[0]->timeout_s, 3600U);
  cr_assert_eq(only<GenerationSwitched>(held.effects).size(), 1U);
  cr_assert_eq(only<SessionCommitted>(held.effects).size(), 1U);
  const AsrView view = held.relationship.view();
  cr_assert_eq(view.epoch, 1U);
  cr_assert(view.check == only<SessionCommitted>(held.effects)[0]->check);
}

Test(relationship, generations_only_rise) {
  Held held;
  cr_assert(held.install(fixed_asr(3, 2)));
  cr_assert_eq(held.install(fixed_asr(3, 2)).error().code, Errc::stale_generation);
  cr_assert_eq(held.install(fixed_asr(3, 1)).error().code, Errc::stale_generation);
  cr_assert(held.install(fixed_asr(3, 4)));
  cr_assert_eq(held.relationship.view().installed_generation, 4U);
  cr_assert_eq(held.install(fixed_asr(3, 3)).error().code, Errc::stale_generation);
  cr_assert_eq(held.install(fixed_asr(2, 5, Kind::provisioning)).error().code, Errc::invalid_argument);
  cr_assert_eq(held.relationship.view().description.generation, 2U);
}

Test(relationship, immediate_erases_the_old_generation_in_the_same_step) {
  Held held;
  cr_assert(held.install(fixed_asr(3)));
  Speaker old(fixed_asr(3), 1, 1, 1);
  cr_assert(held.install(fixed_asr(3, 2), 0, true));
  cr_assert_eq(held.relationship.view().description.generation, 2U);
  cr_assert_eq(held.receive(old.hello()).error(), Refusal::unknown_generation);
}

Test(relationship, retire_of_the_current_generation_does_not_wait_for_a_switch) {
  Held held;
  cr_assert(held.install(fixed_asr(3)));
  cr_assert(held.install(fixed_asr(3, 2), 0, false, 1));
  cr_assert_eq(held.relationship.view().description.generation, 2U);
}

Test(relationship, the_first_frame_of_the_installed_generation_switches) {
  Held held;
  cr_assert(held.install(fixed_asr(3)));
  cr_assert(held.install(fixed_asr(3, 2)));
  (void)held.relationship.record();
  Speaker old(fixed_asr(3), 1, 1, 1);
  Speaker next(fixed_asr(3, 2), 1, 1, 1);
  cr_assert(held.receive(old.hello()));
  cr_assert_eq(held.relationship.view().description.generation, 1U);
  cr_assert(held.receive(next.hello()));
  cr_assert(held.relationship.dirty());
  cr_assert_eq(held.relationship.view().description.generation, 2U);
  cr_assert_eq(held.relationship.view().installed_generation, 0U);
  cr_assert_eq(only<InstallKey>(held.effects).size(), 1U);
  // The old one still receives, which changes nothing; after the grace time it is gone.
  cr_assert_eq(held.receive(old.hello()).error(), Refusal::not_expected);
  held.now = held.now + 3s;
  auto context = held.step();
  held.relationship.tick(context);
  cr_assert_eq(held.receive(old.hello()).error(), Refusal::unknown_generation);
}

Test(relationship, switch_needs_an_installed_generation) {
  Held held;
  cr_assert(held.install(fixed_asr(3)));
  auto context = held.step();
  cr_assert_eq(held.relationship.switch_generation(2, context).error().code, Errc::not_found);
  cr_assert(held.relationship.switch_generation(1, context), "already");
  cr_assert(held.install(fixed_asr(3, 2)));
  auto again = held.step();
  cr_assert(held.relationship.switch_generation(2, again));
  cr_assert_eq(only<GenerationSwitched>(held.effects).size(), 1U);
}

Test(relationship, undo_is_the_state_before) {
  Held held;
  cr_assert(held.install(fixed_asr(3)));
  (void)held.relationship.record();
  held.relationship.settle();
  cr_assert(held.install(fixed_asr(3, 2), 0, true));
  (void)held.relationship.record();
  held.relationship.undo();
  cr_assert_eq(held.relationship.view().description.generation, 1U);
  Held first;
  cr_assert(first.install(fixed_asr(3)));
  (void)first.relationship.record();
  first.relationship.undo();
  cr_assert(first.relationship.empty());
}

Test(relationship, restore_brings_the_key_back_to_the_keyring) {
  Held held;
  cr_assert(held.install(fixed_asr(3)));
  const SecretBuffer record = held.relationship.record();
  Held restarted;
  auto context = restarted.step();
  auto restored = Relationship::restore(record, context);
  cr_assert(restored);
  cr_assert_eq(only<InstallKey>(restarted.effects).size(), 1U);
  cr_assert(restored->view().check == held.relationship.view().check);
  cr_assert(!Relationship::restore(SecretBuffer(8), context));
}

Test(relationship, a_peer_is_learned_from_its_newest_authentic_frame) {
  Held held;
  const Asr asr = fixed_asr(2, 1, Kind::provisioning, false);
  cr_assert(held.install(asr));
  SendRequest request;
  request.method = Method::quarantine;
  request.body = {0xa0};
  auto context = held.step();
  cr_assert(held.relationship.send_request(std::move(request), context));
  cr_assert(only<SendFrame>(held.effects).empty(), "nobody knows where the node is");
  Speaker node(asr, 1, 1, 1);
  const auto first = node.hello();
  const auto second = node.hello();
  const Endpoint here = *parse_endpoint("192.0.2.1:1000");
  const Endpoint elsewhere = *parse_endpoint("192.0.2.66:1000");
  cr_assert(held.receive(second, here));
  cr_assert(held.receive(first, elsewhere), "late, and taken; its address is not");
  held.now = held.now + 1s;
  auto tick = held.step();
  held.relationship.tick(tick);
  const auto frames = only<SendFrame>(held.effects);
  cr_assert_eq(frames.size(), 1U);
  cr_assert(frames[0]->to == here);
  cr_assert_eq(held.receive(second, elsewhere).error(), Refusal::replayed);
}

Test(relationship, the_roster_says_where_members_of_a_group_are) {
  Held held;
  cr_assert(held.install(fixed_asr(2)));
  Speaker other(fixed_asr(2), 1, 1, 1);
  cr_assert(held.receive(other.hello(), *parse_endpoint("192.0.2.66:1000")));
  auto context = held.step();
  held.relationship.request_rekey(context);
  const auto frames = only<SendFrame>(held.effects);
  cr_assert_eq(frames.size(), 1U);
  cr_assert(frames[0]->to == held.other);
}

Test(relationship, the_keyrings_copy_is_renewed_while_the_daemon_lives) {
  Held held;
  Asr asr = fixed_asr(2, 1, Kind::provisioning, false);
  cr_assert(held.install(asr));
  const auto timeout = std::chrono::seconds(only<InstallKey>(held.effects)[0]->timeout_s);
  std::size_t renewed = 0;
  const Instant end = held.now + 10 * timeout;
  while (const auto due = held.relationship.next_deadline()) {
    if (*due > end) break;
    held.now = std::max(held.now, *due);
    auto context = held.step();
    held.relationship.tick(context);
    renewed += only<InstallKey>(held.effects).size();
  }
  cr_assert_geq(renewed, 10U);
  cr_assert_leq(renewed, 11U);
}

Test(relationship, rekey_after_so_many_frames) {
  Held held;
  Asr asr = fixed_asr(2, 1, Kind::provisioning);
  asr.description.policy.rekey_after_frames = 16;
  cr_assert(held.install(asr));
  for (int i = 0; i < 16; ++i) {
    SendRequest request;
    request.method = Method::heartbeat;
    request.body = {0xa0};
    auto context = held.step();
    cr_assert(held.relationship.send_request(std::move(request), context));
  }
  auto context = held.step();
  held.relationship.tick(context);
  held.relationship.tick(context);
  cr_assert_eq(held.relationship.view().phase, Phase::sei);
}

Test(relationship, another_policy_is_stored_and_its_interval_counts_from_now) {
  Held held;
  Asr asr = fixed_asr(2);
  cr_assert(held.install(asr));
  (void)held.relationship.record();
  held.relationship.settle();
  Policy policy;
  policy.rekey_interval_s = 60;
  const auto set = [&held, &policy] {
    auto context = held.step();
    return held.relationship.set_policy(policy, context);
  };
  cr_assert(set());
  cr_assert(held.relationship.dirty());
  cr_assert(held.relationship.view().description.policy == policy);
  cr_assert_eq(only<InstallKey>(held.effects).back()->timeout_s, 60U / 4 * 5 + 60);
  const auto due = held.relationship.next_deadline();
  cr_assert(due && *due <= held.now + std::chrono::seconds(66));
  held.relationship.undo();
  cr_assert_eq(held.relationship.view().description.policy.rekey_interval_s, 3600U);
  cr_assert(set());
  (void)held.relationship.record();
  held.relationship.settle();
  cr_assert(set(), "the same once more");
  cr_assert(!held.relationship.dirty());
  policy.rekey_after_frames = 0;
  cr_assert_eq(set().error().code, Errc::invalid_argument);
}

Test(relationship, the_policy_of_a_provisioning_asr_is_its_credentials) {
  Held held;
  cr_assert(held.install(fixed_asr(2, 1, Kind::provisioning)));
  auto context = held.step();
  cr_assert_eq(held.relationship.set_policy(Policy{}, context).error().code, Errc::refused_by_policy);
}

Test(relationship, multicast_sends_one_frame_to_the_group_and_answers_to_one) {
  testing::EngineNet net(3, 1);
  Asr asr = net.make_asr(7, 1, 3);
  asr.description.policy.topology = Topology::multicast;
  asr.description.policy.multicast_group = "239.192.0.1:7400";
  Engine engine({.incarnation = 1, .salt = 1});
  (void)engine.step(InstallAsr{asr.clone(), 0, false, 0}, net.now(), net.dice());
  const auto effects = engine.step(RequestRekey{7}, net.now(), net.dice());
  std::vector<Endpoint> to;
  for (const auto& effect : effects) {
    if (const auto* send = std::get_if<SendFrame>(&effect)) to.push_back(send->to);
  }
  cr_assert_eq(to.size(), 1U);
  cr_assert(to[0] == *parse_endpoint("239.192.0.1:7400"));
}

Test(relationship, a_generation_that_has_sent_on_any_chain_is_spent) {
  Held held;
  const Asr asr = fixed_asr(2);
  cr_assert(held.install(asr));
  cr_assert_eq(held.relationship.spent_generation(), 0U);
  Speaker other(asr, 1, 1, 1);
  SessionPayload inform;
  inform.event = SessionEvent::sei;
  inform.initiator = 1;
  inform.target = 2;
  inform.high_epoch = 1;
  inform.value.fill(7);
  cr_assert(held.receive(other.session(inform, Chain::fallback)));
  cr_assert_gt(only<SendFrame>(held.effects).size(), 0U);
  cr_assert_eq(held.relationship.spent_generation(), 1U);
}
