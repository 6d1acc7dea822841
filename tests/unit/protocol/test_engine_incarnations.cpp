// Old copies, and machines that take another's place.
#include <criterion/criterion.h>

#include "tests/support/asr_fixture.h"
#include "tests/support/engine_net.h"

using namespace akm;
using namespace akm::protocol;
using namespace std::chrono_literals;
using testing::fixed_asr;
using testing::only;
using testing::Speaker;

namespace {

constexpr AsrId kId = 0xabcdef;

/// One engine alone; what it sends goes nowhere.
struct Alone {
  Engine engine{Engine::Options{10, 10}};
  testing::SeededRandom random{1};
  Instant now{1'000'000'000};

  EffectList give(Event event) { return engine.step(std::move(event), now, random); }
  void install(const Asr& asr) { (void)give(InstallAsr{asr.clone(), 0, false, 0}); }
  /// Whether it was accepted.
  bool takes(std::vector<std::uint8_t> bytes) {
    const auto before = engine.counters().frames_accepted;
    (void)give(FrameReceived{bytes, *parse_endpoint("10.0.0.2:7400")});
    return engine.counters().frames_accepted != before;
  }
  [[nodiscard]] std::uint64_t refused(Refusal why) const {
    return engine.counters().refused[static_cast<std::size_t>(why)];
  }
};

}  // namespace

Test(engine_incarnations, an_old_copy_is_heard_on_the_chains_that_have_not_moved) {
  Alone alone;
  const Asr asr = fixed_asr(3);
  alone.install(asr);
  cr_assert(alone.takes(Speaker(asr, 1, 5, 6).hello()));
  Speaker old_copy(asr, 1, 4, 1);
  SessionPayload payload;
  payload.target = 1;
  payload.high_epoch = 1;
  const auto give = [&](const Endpoint& from) {
    const auto bytes = old_copy.session(payload, Chain::fallback);
    auto copy = bytes;
    const auto effects = alone.give(FrameReceived{copy, from});
    const auto seen = only<ContradictionSeen>(effects);
    return seen.empty() ? std::optional<ContradictionSeen>() : *seen[0];
  };
  cr_assert(!give(*parse_endpoint("10.0.0.9:7400")), "merely late");
  alone.now = alone.now + 5s;
  const auto seen = give(*parse_endpoint("10.0.0.9:7400"));
  cr_assert(seen && seen->what == Contradiction::stale_incarnation);
  cr_assert_eq(format_endpoint(seen->from), "10.0.0.9:7400");
  cr_assert(seen->expected.has_value());
}

/// The roster says where the member should be, not which of the two came first.
Test(engine_incarnations, both_addresses_are_told_whichever_was_heard_first) {
  Alone alone;
  const Asr asr = fixed_asr(3);
  alone.install(asr);
  const auto hear = [&](std::uint32_t salt, const char* from) {
    auto bytes = Speaker(asr, 1, 5, salt).hello();
    return alone.give(FrameReceived{bytes, *parse_endpoint(from)});
  };
  const std::string member = asr.description.roster[1].endpoints.front();
  (void)hear(7, "10.0.0.9:7400");
  const auto effects = hear(6, member.c_str());
  const auto seen = only<ContradictionSeen>(effects);
  cr_assert_eq(seen.size(), 1U);
  cr_assert(seen[0]->what == Contradiction::cloned_identity);
  cr_assert_eq(format_endpoint(seen[0]->from), member);
  cr_assert_eq(format_endpoint(seen[0]->expected.value()), "10.0.0.9:7400");
}

/// An index is given again in a later generation: who is accused is the one that had it when the frame was
/// sealed.
Test(engine_incarnations, a_copy_under_the_generation_that_is_left_is_not_blamed_on_who_has_its_index_now) {
  Alone alone;
  Asr asr = fixed_asr(3);
  alone.install(asr);
  cr_assert(alone.takes(Speaker(asr, 2, 5, 6).hello()));
  Speaker copy(asr, 2, 5, 7);
  const NodeId accused = asr.description.roster[2].node_id;
  asr.description.generation = 2;
  asr.description.roster[2].node_id = accused + 1;
  alone.install(asr);
  (void)alone.give(SwitchGeneration{kId, 2});
  cr_assert_eq(alone.engine.view(kId)->description.generation, 2U);
  auto bytes = copy.hello();
  const auto effects = alone.give(FrameReceived{bytes, *parse_endpoint("10.0.0.9:7400")});
  const auto seen = only<ContradictionSeen>(effects);
  cr_assert_eq(seen.size(), 1U);
  cr_assert(seen[0]->what == Contradiction::cloned_identity);
  cr_assert_eq(seen[0]->node_id, accused);
}

/// A node that was zeroized and is provisioned again is the same incarnation still: what it asks must not
/// look like what was asked before.
Test(engine_incarnations, request_ids_go_on_after_an_erased_link) {
  testing::EngineNet net(2, 11);
  Asr asr = fixed_asr(2, 1, Kind::provisioning);
  for (std::uint32_t generation = 1; generation <= 12; ++generation) {
    asr.description.generation = generation;
    net.install_everywhere(asr, true);
    SendRequest request;
    request.asr_id = kId;
    request.method = Method::rotate_provisioning;
    request.cookie = generation;
    request.body = {0xa1, 0x61, 0x6e, static_cast<std::uint8_t>(generation)};
    net.give(1, std::move(request));
    net.run(1s);
    const auto answers = net.take<ResponseReceived>(1);
    cr_assert_eq(answers.size(), 1U, "time %u", generation);
    cr_assert(answers[0].status == ControlStatus::ok, "time %u", generation);
    net.give(1, RetireAsr{kId});
  }
  cr_assert_eq(net.counters(0).requests_executed, 12U);
}

/// A machine that takes a member's place may count its starts anew; its requests are new ones too.
Test(engine_incarnations, a_new_generation_learns_anew_which_start_is_the_newest) {
  Alone alone;
  Asr asr = fixed_asr(2, 1, Kind::provisioning);
  alone.install(asr);
  const std::array<std::uint8_t, 1> body{0xa0};
  const FragmentHeader request{7, MessageKind::request, Method::activate, 0, 1, ControlStatus::ok};
  Speaker before(asr, 1, 50, 6);
  cr_assert(alone.takes(before.message(request, body)));
  asr.description.generation = 2;
  alone.install(asr);
  Speaker successor(asr, 1, 1, 9);
  cr_assert(alone.takes(successor.message(request, body)));
  cr_assert_eq(alone.engine.counters().requests_executed, 2U);
  cr_assert_eq(alone.engine.view(kId)->description.generation, 2U);
  cr_assert_eq(alone.engine.view(kId)->members[1].incarnation, 1U);
  cr_assert_not(alone.takes(
      before.message({9, MessageKind::request, Method::activate, 0, 1, ControlStatus::ok}, body)));
  cr_assert_eq(alone.refused(Refusal::not_expected), 1U, "a request under the serial that was left");
  alone.now = alone.now + 10s;
  cr_assert(alone.takes(Speaker(asr, 1, 2, 3).hello()));
  cr_assert_not(alone.takes(successor.hello()));
  cr_assert_eq(alone.refused(Refusal::stale_incarnation), 1U, "within a generation it holds");
}
