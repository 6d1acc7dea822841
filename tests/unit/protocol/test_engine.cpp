// The engine as its roles see it, over the simulated network.
#include "daemon/protocol/engine.h"

#include <criterion/criterion.h>

#include <algorithm>

#include "tests/support/asr_fixture.h"

using namespace akm;
using namespace akm::protocol;
using namespace std::chrono_literals;
using testing::EngineNet;
using testing::fixed_asr;
using testing::only;
using testing::Speaker;

namespace {

constexpr AsrId kId = 0xabcdef;

std::uint64_t refused(const EngineNet& net, std::size_t i, Refusal refusal) {
  return net.counters(i).refused[static_cast<std::size_t>(refusal)];
}

bool all_at(const EngineNet& net, std::size_t members, std::uint32_t epoch) {
  for (std::size_t i = 0; i < members; ++i) {
    const auto view = net.view(i, kId);
    if (!view || view->epoch != epoch || view->phase != Phase::se || view->check != net.view(0, kId)->check)
      return false;
  }
  return true;
}

/// One engine alone; what it sends goes nowhere.
struct Alone {
  Engine engine{Engine::Options{10, 10}};
  testing::SeededRandom random{1};
  Instant now{1'000'000'000};
  EffectList give(Event event) { return engine.step(std::move(event), now, random); }
  EffectList install(const Asr& asr, std::uint16_t index = 0) {
    return give(InstallAsr{asr.clone(), index, false, 0});
  }
  Refusal frame(std::vector<std::uint8_t> bytes) {
    const auto before = engine.counters().refused;
    (void)give(FrameReceived{bytes, *parse_endpoint("10.0.0.2:7400")});
    for (std::size_t i = 0; i < kRefusalCount; ++i) {
      if (engine.counters().refused[i] != before[i]) return static_cast<Refusal>(i);
    }
    return static_cast<Refusal>(kRefusalCount);
  }
};
constexpr auto kAccepted = static_cast<Refusal>(kRefusalCount);

SendRequest request_of(Method method, std::uint64_t cookie, std::size_t size = 1) {
  SendRequest request;
  request.asr_id = kId;
  request.method = method;
  request.body.assign(size, 0);
  request.body[0] = static_cast<std::uint8_t>(cookie);
  request.cookie = cookie;
  return request;
}

}  // namespace

Test(engine, five_members_rekey_by_themselves) {
  EngineNet net(5, 1);
  net.install_everywhere(fixed_asr(5));
  net.run(1s);
  net.give(3, RequestRekey{kId});
  net.run(1s);
  cr_assert(all_at(net, 5, 2));
  const auto committed = net.take<SessionCommitted>(2);
  cr_assert_eq(committed.size(), 2U);
  cr_assert_eq(committed[0].took.count(), 0);
  cr_assert_gt(committed[1].took.count(), 0);
  cr_assert(committed[1].check == net.view(2, kId)->check);
  cr_assert_eq(net.counters(0).sessions_committed, 1U);
  cr_assert(net.violations.empty());
}

Test(engine, a_rekey_is_two_writes_a_member) {
  EngineNet net(5, 1);
  net.install_everywhere(fixed_asr(5));
  net.run(1s);
  const std::size_t before = net.stores;
  net.give(0, RequestRekey{kId});
  net.run(1s);
  cr_assert(all_at(net, 5, 2));
  cr_assert_leq(net.stores - before, 10U);
}

Test(engine, stored_before_the_key_is_anywhere_else) {
  const auto effects = Alone().install(fixed_asr(2));
  cr_assert(std::holds_alternative<PersistAsr>(effects.at(0)));
  cr_assert(std::holds_alternative<InstallKey>(effects.at(1)));
}

Test(engine, a_star_of_forty_agrees) {
  EngineNet net(40, 2);
  net.install_everywhere(fixed_asr(40));
  net.run(1s);
  net.give(11, RequestRekey{kId});
  net.run(2s);
  cr_assert(all_at(net, 40, 2));
  cr_assert(net.violations.empty());
}

Test(engine, timed_rekeys_need_nobody) {
  EngineNet net(4, 3);
  Asr asr = fixed_asr(4);
  asr.description.policy.rekey_interval_s = 60;
  net.install_everywhere(asr);
  net.run(610s);
  cr_assert_geq(net.view(0, kId)->epoch, 9U);
  net.run(2s);
  cr_assert(all_at(net, 4, net.view(0, kId)->epoch));
}

Test(engine, a_member_that_is_away_is_named_and_comes_back) {
  EngineNet net(3, 4);
  net.install_everywhere(fixed_asr(3));
  net.run(1s);
  net.crash(2, 40s);
  net.give(0, RequestRekey{kId});
  net.run(30s);
  const auto failed = net.take<AttemptFailed>(0);
  cr_assert_geq(failed.size(), 3U);
  cr_assert(failed[0].waited_for == std::vector<std::uint16_t>({2}));
  net.run(60s);
  cr_assert(all_at(net, 3, net.view(0, kId)->epoch));
  cr_assert_gt(net.view(0, kId)->epoch, 1U);
}

Test(engine, every_refusal_has_its_counter) {
  Alone alone;
  const Asr asr = fixed_asr(3);
  (void)alone.install(asr);
  Speaker speaker(asr, 1, 5, 6);
  const auto good = speaker.hello();
  cr_assert_eq(alone.frame({1, 2, 3}), Refusal::too_short);
  cr_assert_eq(alone.frame(std::vector<std::uint8_t>(limits::kFrameBytes + 1, 0x11)), Refusal::too_long);
  const auto changed = [&](std::size_t at, std::uint8_t value) {
    auto bytes = good;
    bytes[at] = value;
    return alone.frame(bytes);
  };
  cr_assert_eq(changed(0, 0x21), Refusal::bad_version);
  cr_assert_eq(changed(0, 0x1f), Refusal::bad_type);
  cr_assert_eq(changed(1, 3), Refusal::bad_chain);
  cr_assert_eq(changed(15, 0), Refusal::unknown_asr);
  cr_assert_eq(changed(19, 9), Refusal::unknown_generation);
  cr_assert_eq(changed(23, 9), Refusal::unknown_epoch);
  cr_assert_eq(changed(3, 9), Refusal::unknown_sender);
  cr_assert_eq(changed(3, 0), Refusal::own_index);
  cr_assert_eq(changed(good.size() - 1, static_cast<std::uint8_t>(good.back() ^ 1)), Refusal::not_authentic);
  cr_assert_eq(changed(7, 4), Refusal::not_authentic, "a claimed incarnation alone is nothing");
  cr_assert_eq(alone.frame(good), kAccepted);
  cr_assert_eq(alone.frame(good), Refusal::replayed);
  alone.now = alone.now + 10s;
  cr_assert_eq(alone.frame(Speaker(asr, 1, 4, 6).hello()), Refusal::stale_incarnation);
  cr_assert_eq(alone.frame(Speaker(asr, 1, 5, 7).hello()), Refusal::cloned_identity);
  const std::array<std::uint8_t, 4> garbage{9, 9, 9, 9};
  cr_assert_eq(alone.frame(speaker.frame(FrameType::session, garbage)), Refusal::malformed_payload);
  cr_assert_eq(alone.frame(speaker.frame(FrameType::control, garbage)), Refusal::malformed_payload);
  const std::array<std::uint8_t, 4> for_another{0, 9, 0, 0};
  cr_assert_eq(alone.frame(speaker.frame(FrameType::data, for_another)), Refusal::other_addressee);
  cr_assert_eq(alone.frame(speaker.message(
                   {1, MessageKind::request, Method::zeroize, 0, 1, ControlStatus::ok}, garbage)),
               Refusal::not_expected, "control frames belong to provisioning ASRs");
  cr_assert_eq(alone.engine.counters().frames_sent, 0U, "none is answered");
}

Test(engine, too_many_requests_at_once_are_over_the_limit) {
  Alone alone;
  const Asr asr = fixed_asr(2, 1, Kind::provisioning);
  (void)alone.install(asr);
  Speaker node(asr, 1, 1, 1);
  const std::array<std::uint8_t, 1> body{0xa0};
  Refusal last = kAccepted;
  for (std::uint32_t id = 1; id <= limits::kPendingRequestsPerPeer + 1; ++id) {
    cr_assert_eq(last, kAccepted);
    last = alone.frame(
        node.message({id, MessageKind::request, Method::heartbeat, 0, 1, ControlStatus::ok}, body));
  }
  cr_assert_eq(last, Refusal::over_limit);
}

Test(engine, contradictions_are_reported_once_in_a_while) {
  Alone alone;
  const Asr asr = fixed_asr(3);
  (void)alone.install(asr);
  Speaker newest(asr, 1, 5, 6);
  Speaker old_copy(asr, 1, 4, 1);
  Speaker clone(asr, 1, 5, 7);
  const auto give = [&](std::vector<std::uint8_t> bytes) {
    const auto effects = alone.give(FrameReceived{bytes, *parse_endpoint("10.0.0.2:7400")});
    const auto seen = only<ContradictionSeen>(effects);
    return seen.empty() ? std::optional<Contradiction>() : seen[0]->what;
  };
  cr_assert(!give(newest.hello()));
  cr_assert(!give(old_copy.hello()), "merely late");
  alone.now = alone.now + 5s;
  cr_assert(give(old_copy.hello()) == Contradiction::stale_incarnation);
  cr_assert(!give(old_copy.hello()), "a flood of frames is one report");
  alone.now = alone.now + 5s;
  cr_assert(give(clone.hello()) == Contradiction::cloned_identity);
  alone.now = alone.now + 5s;
  auto forged = clone.hello();
  forged.back() ^= 1;
  cr_assert(!give(forged), "what does not open accuses nobody");
}

Test(engine, older_incarnations_stay_refused_after_a_restart) {
  EngineNet net(2, 5);
  net.install_everywhere(fixed_asr(2));
  net.run(1s);
  net.crash(1);
  net.run(3s);
  const auto epoch = net.view(0, kId)->epoch;
  cr_assert_geq(epoch, 2U, "a restart leads to a rekey");
  cr_assert(all_at(net, 2, epoch));
  net.crash(0);
  net.run(301ms);
  cr_assert_eq(net.view(0, kId)->members[1].incarnation, 2U);
}

Test(engine, frames_recorded_before_a_restart_accuse_nobody) {
  EngineNet net(3, 13);
  net.record_frames = true;
  net.install_everywhere(fixed_asr(3));
  net.run(1s);
  net.give(1, RequestRekey{kId});
  net.run(1s);
  // What went from 1 to 2 opens for 0 too: it is the same sender key, and 0 has not had these numbers.
  std::vector<std::vector<std::uint8_t>> recorded;
  for (const auto& frame : net.recorded) {
    if (frame.from == 1 && frame.to == net.node(2).endpoint) recorded.push_back(frame.bytes);
  }
  cr_assert(!recorded.empty());
  net.crash(1);
  for (int round = 0; round < 60; ++round) {
    for (const auto& bytes : recorded) net.inject(0, bytes, *parse_endpoint("192.0.2.66:1"));
    net.run(100ms);
  }
  cr_assert(net.take<ContradictionSeen>(0).empty());
  cr_assert(all_at(net, 3, net.view(0, kId)->epoch));
}

Test(engine, replays_after_a_restart_cost_an_attempt_at_most) {
  EngineNet net(3, 6);
  net.record_frames = true;
  net.install_everywhere(fixed_asr(3));
  net.run(1s);
  net.give(0, RequestRekey{kId});
  net.run(2s);
  cr_assert(all_at(net, 3, 2));
  const auto recorded = net.recorded;
  net.crash(1);
  net.run(1s);
  for (int round = 0; round < 2; ++round) {
    for (const auto& frame : recorded) {
      if (frame.to == net.node(1).endpoint) net.inject(1, frame.bytes, net.node(frame.from).endpoint);
    }
  }
  cr_assert_leq(net.view(1, kId)->epoch, 3U, "no replay commits anything; the restart's own rekey may");
  net.run(30s);
  net.give(2, RequestRekey{kId});
  net.run(10s);
  cr_assert(all_at(net, 3, net.view(0, kId)->epoch));
  cr_assert_gt(net.view(0, kId)->epoch, 2U);
  cr_assert(net.violations.empty());
}

Test(engine, control_requests_reach_the_other_side_and_come_back) {
  EngineNet net(2, 7);
  net.install_everywhere(fixed_asr(2, 1, Kind::provisioning));
  net.faults.loss = 0.2;
  for (std::uint64_t cookie = 1; cookie <= 8; ++cookie)
    net.give(0, request_of(Method::install, cookie, 20'000));
  net.run(29s);
  const auto answers = net.take<ResponseReceived>(0);
  cr_assert_eq(answers.size(), 8U);
  cr_assert(answers[0].status == ControlStatus::ok);
  cr_assert_eq(net.counters(1).requests_executed, 8U);
  cr_assert(net.violations.empty());
}

Test(engine, control_goes_on_across_rekeys) {
  EngineNet net(2, 8);
  net.install_everywhere(fixed_asr(2, 1, Kind::provisioning));
  for (std::uint64_t cookie = 1; cookie <= 10; ++cookie) {
    net.give(cookie % 2, RequestRekey{kId});
    net.give(0, request_of(Method::install, cookie, 5000));
    net.run(100ms);
  }
  net.run(5s);
  cr_assert_eq(net.take<ResponseReceived>(0).size(), 10U);
  cr_assert(all_at(net, 2, net.view(0, kId)->epoch));
  cr_assert_geq(net.view(0, kId)->epoch, 10U);
}

Test(engine, a_recorded_request_never_runs_again_after_a_restart) {
  EngineNet net(2, 9);
  net.record_frames = true;
  net.install_everywhere(fixed_asr(2, 1, Kind::provisioning));
  net.run(1s);
  net.give(1, request_of(Method::breach_report, 1));
  net.run(1s);
  cr_assert_eq(net.counters(0).requests_executed, 1U);
  net.crash(0);
  net.run(1s);
  for (const auto& frame : net.recorded) {
    if (frame.to == net.node(0).endpoint) net.inject(0, frame.bytes, net.node(1).endpoint);
  }
  cr_assert_eq(net.counters(0).requests_executed, 0U, "counted since the restart");
  cr_assert(net.violations.empty());
}

Test(engine, the_id_is_durable_before_the_request_is_handed_over) {
  Alone alone;
  const Asr asr = fixed_asr(2, 1, Kind::provisioning);
  (void)alone.install(asr);
  Speaker node(asr, 1, 1, 1);
  const std::array<std::uint8_t, 1> body{0xa0};
  auto frame = node.message({5, MessageKind::request, Method::breach_report, 0, 1, ControlStatus::ok}, body);
  const auto effects = alone.give(FrameReceived{frame, *parse_endpoint("10.0.0.2:7400")});
  cr_assert(std::holds_alternative<PersistAsr>(effects.at(0)));
  cr_assert(std::holds_alternative<RequestReceived>(effects.at(1)));
  // The disk is full: it was not executed, and may come again.
  (void)alone.give(StoreFailed{kId});
  frame = node.message({5, MessageKind::request, Method::breach_report, 0, 1, ControlStatus::ok}, body);
  cr_assert_eq(
      only<RequestReceived>(alone.give(FrameReceived{frame, *parse_endpoint("10.0.0.2:7400")})).size(), 1U);
}

Test(engine, an_unanswered_request_times_out) {
  EngineNet net(2, 10);
  net.install_everywhere(fixed_asr(2, 1, Kind::provisioning));
  net.crash(1, 100s);
  net.give(0, request_of(Method::install, 42));
  net.run(31s);
  const auto timed_out = net.take<RequestTimedOut>(0);
  cr_assert_eq(timed_out.size(), 1U);
  cr_assert_eq(timed_out[0].cookie, 42U);
}

Test(engine, a_failed_store_takes_an_install_back) {
  Alone alone;
  (void)alone.install(fixed_asr(3));
  (void)alone.give(StoreFailed{kId});
  cr_assert(alone.engine.relationships().empty());
  (void)alone.install(fixed_asr(3));
  (void)alone.give(InstallAsr{fixed_asr(3, 2), 0, true, 0});
  (void)alone.give(StoreFailed{kId});
  cr_assert_eq(alone.engine.view(kId)->description.generation, 1U);
  (void)alone.give(StoreFailed{kId});
  cr_assert_eq(alone.engine.view(kId)->description.generation, 1U, "nothing to take back");
}

Test(engine, a_group_goes_on_when_a_disk_fails_for_a_while) {
  EngineNet net(3, 11);
  net.install_everywhere(fixed_asr(3));
  net.run(1s);
  net.faults.store_fails = 0.7;
  net.give(0, RequestRekey{kId});
  net.run(20s);
  net.faults.store_fails = 0;
  net.run(120s);
  cr_assert(all_at(net, 3, net.view(0, kId)->epoch));
  cr_assert_gt(net.view(0, kId)->epoch, 1U);
  cr_assert(net.violations.empty());
}

Test(engine, erase_operational_revokes_all_keys_first_and_keeps_provisioning) {
  Alone alone;
  Asr link = fixed_asr(2, 1, Kind::provisioning);
  link.description.id = 5;
  (void)alone.install(link, 1);
  for (AsrId id = 10; id < 13; ++id) {
    Asr asr = fixed_asr(3);
    asr.description.id = id;
    (void)alone.install(asr);
  }
  const auto effects = alone.give(EraseOperational{});
  cr_assert_eq(only<RevokeKey>(effects).size(), 6U);
  cr_assert_eq(only<ForgetAsr>(effects).size(), 3U);
  cr_assert_eq(only<AsrRetired>(effects).size(), 3U);
  const auto first_forget = std::ranges::find_if(
      effects, [](const Effect& effect) { return std::holds_alternative<ForgetAsr>(effect); });
  cr_assert(std::none_of(first_forget, effects.end(),
                         [](const Effect& effect) { return std::holds_alternative<RevokeKey>(effect); }));
  cr_assert(alone.engine.relationships() == std::vector<AsrId>{5});
}

Test(engine, retire_forgets_everything) {
  Alone alone;
  (void)alone.install(fixed_asr(3));
  const auto effects = alone.give(RetireAsr{kId});
  cr_assert(std::holds_alternative<RevokeKey>(effects.at(0)));
  cr_assert(std::holds_alternative<ForgetAsr>(effects.at(2)));
  cr_assert(!alone.engine.view(kId));
  cr_assert(!alone.engine.next_deadline() || *alone.engine.next_deadline() <= alone.now + 1s);
  const auto again = alone.give(RetireAsr{kId});
  cr_assert_eq(only<EventRefused>(again).at(0)->error.code, Errc::not_found);
}

Test(engine, a_generation_that_was_erased_does_not_come_again) {
  Alone alone;
  const Asr asr = fixed_asr(3);
  (void)alone.install(asr);
  (void)alone.give(DeadlineReached{});
  cr_assert_gt(alone.engine.counters().frames_sent, 0U);
  (void)alone.give(EraseOperational{});
  const auto again = alone.install(asr);
  cr_assert_eq(only<EventRefused>(again).at(0)->error.code, Errc::stale_generation);
  cr_assert(!alone.engine.view(kId));
  Asr next = asr.clone();
  ++next.description.generation;
  (void)alone.install(next);
  cr_assert(alone.engine.view(kId).has_value());
}

Test(engine, what_it_cannot_do_is_refused_by_name) {
  Alone alone;
  const auto refusal = [](const EffectList& effects) { return *only<EventRefused>(effects).at(0); };
  cr_assert_eq(refusal(alone.give(RequestRekey{kId})).error.code, Errc::not_found);
  cr_assert(refusal(alone.give(SwitchGeneration{kId, 2})).event == "SwitchGeneration");
  Asr asr = fixed_asr(3);
  asr.description.suite = Suite{77};
  cr_assert_eq(refusal(alone.install(asr)).error.code, Errc::not_supported);
  cr_assert(alone.engine.relationships().empty());
  (void)alone.install(fixed_asr(3));
  cr_assert_eq(refusal(alone.install(fixed_asr(3))).error.code, Errc::stale_generation);
  cr_assert_eq(refusal(alone.give(request_of(Method::install, 1))).error.code, Errc::invalid_argument);
  cr_assert_eq(refusal(alone.give(SendResponse{kId, 1, Method::install, ControlStatus::ok, {}})).error.code,
               Errc::not_found);
  cr_assert_eq(refusal(alone.give(SetPeerEndpoint{kId, {}})).error.code, Errc::invalid_argument);
  cr_assert_eq(refusal(alone.give(RestoreAsr{SecretBuffer(5)})).error.code, Errc::state_corrupt);
}

Test(engine, an_outsider_changes_nothing_but_counters) {
  EngineNet net(3, 12);
  net.record_frames = true;
  net.install_everywhere(fixed_asr(3));
  net.run(1s);
  net.give(0, RequestRekey{kId});
  net.run(1s);
  cr_assert(all_at(net, 3, 2));
  const auto recorded = net.recorded;
  const auto accepted = net.counters(1).frames_accepted;
  const Endpoint outsider = *parse_endpoint("192.0.2.66:1");
  for (int round = 0; round < 60; ++round) {
    for (const auto& frame : recorded) {
      if (frame.to != net.node(1).endpoint) continue;
      net.inject(1, frame.bytes, outsider);
      auto flipped = frame.bytes;
      flipped[net.dice().below(static_cast<std::uint32_t>(flipped.size()))] ^= 0x10;
      net.inject(1, flipped, outsider);
      flipped.resize(net.dice().below(static_cast<std::uint32_t>(flipped.size())));
      net.inject(1, flipped, outsider);
    }
  }
  cr_assert_eq(net.counters(1).frames_accepted, accepted);
  cr_assert_gt(refused(net, 1, Refusal::replayed), 0U);
  cr_assert_gt(refused(net, 1, Refusal::not_authentic), 0U);
  cr_assert_gt(refused(net, 1, Refusal::too_short), 0U);
  cr_assert(net.take<ContradictionSeen>(1).empty(), "it accuses nobody");
  net.give(2, RequestRekey{kId});
  net.run(1s);
  cr_assert(all_at(net, 3, 3));
}
