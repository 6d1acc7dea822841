#include <criterion/criterion.h>

#include <algorithm>

#include "daemon/protocol/data_payload.h"
#include "daemon/protocol/relationship.h"
#include "tests/support/asr_fixture.h"

using namespace akm;
using namespace akm::protocol;
using namespace std::chrono_literals;
using testing::EngineNet;
using testing::fixed_asr;
using testing::only;
using testing::Speaker;
using Bytes = std::vector<std::uint8_t>;

namespace {

constexpr AsrId kId = 0xabcdef;

Bytes payload_to(std::uint16_t to, const Bytes& bytes) {
  Bytes out(kDataHeaderBytes + bytes.size());
  encode_data_payload({to, bytes}, out);
  return out;
}

/// One engine that holds index 0 of fixed_asr; the others are Speakers.
struct Held {
  Engine engine{{1, 1}};
  testing::SeededRandom random{3};
  Instant now{1'000'000'000};
  EffectList effects;

  explicit Held(std::size_t members = 3, Kind kind = Kind::operational) {
    install(fixed_asr(members, 1, kind));
  }
  void give(Event event) { effects = engine.step(std::move(event), now, random); }
  void install(const Asr& asr, bool immediate = false) { give(InstallAsr{asr.clone(), 0, immediate, 0}); }
  std::vector<const DataReceived*> receive(Bytes frame) {
    datagram = std::move(frame);
    give(FrameReceived{datagram, *parse_endpoint("10.0.0.2:7400")});
    return only<DataReceived>(effects);
  }
  [[nodiscard]] std::uint64_t refused(Refusal reason) const {
    return engine.counters().refused[static_cast<std::size_t>(reason)];
  }
  std::optional<Error> send(std::uint16_t to, const Bytes& bytes) {
    give(SendData{kId, to, bytes});
    const auto why = only<EventRefused>(effects);
    return why.empty() ? std::nullopt : std::optional(why[0]->error);
  }
  Bytes datagram;
};

Bytes bytes_of(const DataReceived& data) {
  return {data.payload.begin(), data.payload.end()};
}

}  // namespace

Test(relationship_data, a_datagram_reaches_its_addressee_once) {
  Held held;
  Speaker speaker(fixed_asr(3), 1, 1, 1);
  const Bytes frame = speaker.frame(FrameType::data, payload_to(0, {1, 2, 3}));
  const auto got = held.receive(frame);
  cr_assert_eq(got.size(), 1);
  cr_assert_eq(got[0]->asr_id, kId);
  cr_assert_eq(got[0]->from, 1);
  cr_assert(bytes_of(*got[0]) == (Bytes{1, 2, 3}));
  cr_assert(held.receive(frame).empty());
  cr_assert_eq(held.refused(Refusal::replayed), 1);
  cr_assert_eq(held.receive(speaker.frame(FrameType::data, payload_to(kEveryone, {}))).size(), 1);
  cr_assert_eq(held.engine.counters().data_received, 2);
}

Test(relationship_data, a_frame_for_another_member_is_refused_and_changes_nothing) {
  Held held;
  Speaker speaker(fixed_asr(3), 1, 1, 1);
  cr_assert(held.receive(speaker.frame(FrameType::data, payload_to(2, {1}))).empty());
  cr_assert_eq(held.refused(Refusal::other_addressee), 1);
  cr_assert_eq(held.engine.counters().frames_accepted, 0);
  cr_assert(!held.engine.view(kId)->members[1].last_heard);
}

Test(relationship_data, malformed_and_foreign_payloads_have_their_reasons) {
  Held held;
  Speaker speaker(fixed_asr(3), 1, 1, 1);
  cr_assert(held.receive(speaker.frame(FrameType::data, Bytes{0, 0, 0, 1})).empty());
  cr_assert_eq(held.refused(Refusal::malformed_payload), 1);
  cr_assert(held.receive(speaker.frame(FrameType::data, payload_to(0, {1}), Chain::fallback)).empty());
  cr_assert_eq(held.refused(Refusal::not_expected), 1);
  Held provisioning(2, Kind::provisioning);
  Speaker peer(fixed_asr(2, 1, Kind::provisioning), 1, 1, 1);
  cr_assert(provisioning.receive(peer.frame(FrameType::data, payload_to(0, {1}))).empty());
  cr_assert_eq(provisioning.refused(Refusal::not_expected), 1);
  cr_assert_eq(provisioning.send(1, {1})->code, Errc::invalid_argument);
}

Test(relationship_data, one_frame_goes_to_all) {
  Held held(4);
  cr_assert(!held.send(kEveryone, {5}));
  const auto sent = only<SendDatagram>(held.effects);
  cr_assert_eq(sent.size(), 3);
  // The same bytes: redirected to somebody who has had them, they are a repetition.
  cr_assert(
      std::ranges::all_of(sent, [&](const auto* one) { return one->bytes.data() == sent[0]->bytes.data(); }));
  cr_assert_neq(sent[0]->to.address, sent[1]->to.address);
  cr_assert_eq(held.engine.counters().data_sent, 1);
  cr_assert(!held.send(2, Bytes(kDataBytes)));
  cr_assert_eq(only<SendDatagram>(held.effects).size(), 1);
  cr_assert_eq(only<SendDatagram>(held.effects)[0]->bytes.size(), limits::kFrameBytes);
}

Test(relationship_data, where_there_is_a_group_address_it_goes_there_once) {
  Asr asr = fixed_asr(4, 2);
  asr.description.policy.topology = Topology::multicast;
  asr.description.policy.multicast_group = "239.1.1.1:7400";
  Held held(4);
  held.install(asr, true);
  cr_assert(!held.send(kEveryone, {5}));
  const auto sent = only<SendDatagram>(held.effects);
  cr_assert_eq(sent.size(), 1);
  cr_assert(sent[0]->to == *parse_endpoint("239.1.1.1:7400"));
  cr_assert(!held.send(2, {5}));
  cr_assert_eq(only<SendDatagram>(held.effects)[0]->to.port, 7400);
  cr_assert(only<SendDatagram>(held.effects)[0]->to != *parse_endpoint("239.1.1.1:7400"));
}

Test(relationship_data, what_cannot_be_sent_is_refused) {
  Held held;
  cr_assert_eq(held.send(0, {1})->code, Errc::not_found, "oneself");
  cr_assert_eq(held.send(3, {1})->code, Errc::not_found);
  cr_assert_eq(held.send(1, Bytes(kDataBytes + 1))->code, Errc::too_large);
  held.give(SendData{kId + 1, 1, {}});
  cr_assert_eq(only<EventRefused>(held.effects)[0]->error.code, Errc::not_found);
  cr_assert_eq(held.engine.counters().data_sent, 0);
}

Test(relationship_data, without_an_endpoint_nothing_is_sealed) {
  Engine engine{{1, 1}};
  testing::SeededRandom random{3};
  const Instant now{1'000'000'000};
  (void)engine.step(InstallAsr{fixed_asr(2, 1, Kind::operational, false), 0, false, 0}, now, random);
  const Bytes bytes{1};
  const auto effects = engine.step(SendData{kId, 1, bytes}, now, random);
  cr_assert_eq(only<EventRefused>(effects)[0]->error.code, Errc::unreachable);
}

Test(relationship_data, the_first_datagram_of_the_installed_generation_switches) {
  Held held;
  held.install(fixed_asr(3, 2));
  Speaker next(fixed_asr(3, 2), 1, 1, 1);
  cr_assert_eq(held.receive(next.frame(FrameType::data, payload_to(0, {1}))).size(), 1);
  cr_assert_eq(held.engine.view(kId)->description.generation, 2);
  cr_assert_eq(only<PersistAsr>(held.effects).size(), 1);
  cr_assert(std::holds_alternative<PersistAsr>(held.effects.front()), "stored before it is told");
  // What was on its way under the old key still comes, from members that are still there.
  Speaker old(fixed_asr(3), 2, 1, 1);
  cr_assert_eq(held.receive(old.frame(FrameType::data, payload_to(0, {2}))).size(), 1);
  held.now = held.now + 3s;
  held.give(DeadlineReached{});
  cr_assert(held.receive(old.frame(FrameType::data, payload_to(0, {3}))).empty());
  cr_assert_eq(held.refused(Refusal::unknown_generation), 1);
}

Test(relationship_data, nothing_comes_from_a_member_that_was_left_out) {
  Held held;
  Speaker evicted(fixed_asr(3), 2, 1, 1);
  Speaker as_other(fixed_asr(3), 1, 1, 1);  // whoever holds the key can speak as anybody
  cr_assert_eq(held.receive(evicted.frame(FrameType::data, payload_to(0, {1}))).size(), 1);
  held.install(fixed_asr(2, 2));
  cr_assert(held.receive(evicted.frame(FrameType::data, payload_to(0, {2}))).empty(), "before the switch");
  cr_assert_eq(held.receive(as_other.frame(FrameType::data, payload_to(0, {3}))).size(), 1);
  held.give(SwitchGeneration{kId, 2});
  cr_assert(held.receive(evicted.frame(FrameType::data, payload_to(0, {4}))).empty());
  cr_assert(held.receive(as_other.frame(FrameType::data, payload_to(0, {5}))).empty());
  cr_assert_eq(held.refused(Refusal::not_expected), 3);
}

Test(relationship_data, a_restart_accepts_nothing_under_the_restored_key) {
  Held held;
  Speaker speaker(fixed_asr(3), 1, 1, 1);
  const Bytes recorded = speaker.frame(FrameType::data, payload_to(0, {1}));
  cr_assert_eq(held.receive(recorded).size(), 1);
  Held first;  // for its record
  const auto stored = only<PersistAsr>(first.effects);
  held.engine = Engine({2, 2});
  held.give(RestoreAsr{stored[0]->record.clone()});
  cr_assert(held.receive(recorded).empty(), "delivered twice");
  cr_assert_eq(held.refused(Refusal::not_expected), 1);
  cr_assert(!held.send(1, {1}), "it may send: its key is new");
}

Test(relationship_data, datagrams_count_towards_the_rekey) {
  Asr asr = fixed_asr(2);
  asr.description.policy.rekey_after_frames = 16;
  Held held;
  held.give(RetireAsr{kId});
  asr.description.generation = 2;
  held.install(asr);
  for (int i = 0; i < 15; ++i) cr_assert(!held.send(1, {1}));
  const auto before = held.engine.counters().attempts_started;
  held.give(DeadlineReached{});
  cr_assert_eq(held.engine.counters().attempts_started, before);
  cr_assert(!held.send(1, {1}));
  cr_assert(held.engine.next_deadline() <= held.now);
  held.give(DeadlineReached{});
  cr_assert_eq(held.engine.counters().attempts_started, before + 1);
}

// The promise: on a network that reorders but loses nothing, no datagram is lost and none comes twice,
// however often the key is replaced.
Test(relationship_data, none_is_lost_and_none_comes_twice_across_rekeys) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    EngineNet net(3, seed);
    net.install_everywhere(net.make_asr(kId, 1, 3));
    net.run(100ms);
    std::uint32_t next = 0;
    for (int rekey = 0; rekey < 10; ++rekey) {
      net.give(net.dice().below(3), RequestRekey{kId});
      for (int burst = 0; burst < 40; ++burst) {
        for (std::size_t node = 0; node < 3; ++node) {
          const Bytes bytes{static_cast<std::uint8_t>(next >> 16), static_cast<std::uint8_t>(next >> 8),
                            static_cast<std::uint8_t>(next)};
          net.give(node, SendData{kId, kEveryone, bytes});
          ++next;
        }
        net.run(200us);
      }
    }
    net.run(1s);
    cr_assert(net.violations.empty());
    cr_assert_gt(net.view(0, kId)->epoch, 5, "the key was replaced meanwhile");
    for (std::size_t node = 0; node < 3; ++node) {
      std::set<Bytes> seen;
      for (const auto& data : net.node(node).data) cr_assert(seen.insert(data.bytes).second, "twice");
      cr_assert_eq(seen.size(), std::size_t{next} * 2 / 3, "seed %lu node %zu: %zu of %u", seed, node,
                   seen.size(), next * 2 / 3);
    }
  }
}

// A member that has only stored the candidate commits it by a datagram under it, although all SE are lost.
Test(relationship_data, a_datagram_under_the_candidate_commits_it) {
  EngineNet net(2, 5);
  net.record_frames = true;
  net.install_everywhere(net.make_asr(kId, 1, 2));
  net.run(100ms);
  net.give(0, RequestRekey{kId});
  // Member 1 hears nothing more once member 0 has committed.
  for (int i = 0; i < 4000 && net.view(0, kId)->epoch == 1; ++i) net.run(10us);
  net.faults.loss = 1;
  cr_assert_eq(net.view(0, kId)->epoch, 2);
  cr_assert_eq(net.view(1, kId)->epoch, 1U, "it holds the candidate only");
  net.faults.loss = 0;
  const Bytes bytes{9};
  net.node(1).data.clear();
  net.faults.delay_min_us = net.faults.delay_max_us = 1;  // it overtakes the SE
  net.give(0, SendData{kId, 1, bytes});
  net.run(2us);
  cr_assert_eq(net.view(1, kId)->epoch, 2);
  cr_assert_eq(net.node(1).data.size(), 1);
}
