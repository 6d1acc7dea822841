#include "daemon/protocol/asr_record.h"

#include <criterion/criterion.h>

#include "tests/support/asr_fixture.h"

using namespace akm;
using namespace akm::protocol;

namespace {

RelationshipState full_state() {
  RelationshipState state;
  state.current = *Generation::install(testing::fixed_asr(3), 1);
  state.installed = *Generation::install(testing::fixed_asr(4, 2), 1);
  state.executed = {3, 4, 99, 0x8000000000000001};
  Generation& current = *state.current;
  current.peers->find(2)->incarnation = 17;
  current.peers->find(2)->salt = 18;
  Bitmap all = Bitmap::for_roster(*current.description);
  for (std::uint16_t i = 0; i < 3; ++i) all.set(i);
  ChainLink& link = current.normal().link();
  const ChainLinks links = current.ladder.links();
  link.store(*link.derive(current.context, 2, 0, 1, Digest32{1}, all, links));
  link.store(*link.derive(current.context, 3, 1, 1, Digest32{2}, all, links));
  ChainLink& fallback = current.chain(Chain::fallback).link();
  fallback.store(*fallback.derive(current.context, 2, 0, 3, Digest32{3}, all, links));
  return state;
}

}  // namespace

Test(asr_record, everything_comes_back) {
  const RelationshipState state = full_state();
  const auto endpoint = *parse_endpoint("192.0.2.9:7400");
  const auto restored = decode_record(encode_record(state, endpoint), Instant{5});
  cr_assert(restored);
  cr_assert(restored->peer_endpoint == endpoint);
  cr_assert(restored->state.executed == state.executed);
  const Generation& current = *restored->state.current;
  cr_assert_eq(current.own_index, 1);
  cr_assert(current.description->roster == state.current->description->roster);
  cr_assert(current.description->policy == state.current->description->policy);
  cr_assert(current.check() == state.current->check());
  cr_assert_eq(current.peers->find(2)->incarnation, 17U);
  cr_assert_eq(current.peers->find(2)->salt, 18U);
  cr_assert_eq(current.peers->find(0)->incarnation, 0U);
  for (std::size_t i = 0; i < kChainCount; ++i) {
    const ChainLink& then = state.current->chain(static_cast<Chain>(i)).link();
    const ChainLink& now = current.chain(static_cast<Chain>(i)).link();
    cr_assert_eq(now.epoch(), 1U);
    cr_assert(now.base().pdv == then.base().pdv);
    cr_assert(now.base().seed == then.base().seed);
  }
  const auto& stored = current.normal().link().stored();
  const auto& before = state.current->normal().link().stored();
  cr_assert_eq(stored.size(), 2U);
  cr_assert_eq(stored[1]->target, 3U);
  cr_assert_eq(stored[1]->initiator, 1);
  cr_assert(stored[1]->transcript == before[1]->transcript);
  cr_assert(stored[1]->participants == before[1]->participants);
  cr_assert(stored[1]->next.pdv == before[1]->next.pdv);
  cr_assert(
      equal_in_constant_time(stored[0]->session->secret().reveal(), before[0]->session->secret().reveal()));
  cr_assert_eq(restored->state.installed->number(), 2U);
}

Test(asr_record, a_candidate_of_the_fallback_chain_brings_its_re_root_back) {
  const RelationshipState state = full_state();
  const auto restored = decode_record(encode_record(state, std::nullopt), Instant{5});
  const auto& stored = restored->state.current->chain(Chain::fallback).link().stored();
  const auto& before = state.current->chain(Chain::fallback).link().stored();
  cr_assert_eq(stored.size(), 1U);
  const Reroot* start = stored[0]->reroot_of(Chain::normal);
  cr_assert_eq(start->next.epoch, 4U);
  cr_assert(start->next.pdv == before[0]->reroot_of(Chain::normal)->next.pdv);
  cr_assert(equal_in_constant_time(start->session->secret().reveal(),
                                   before[0]->reroot_of(Chain::normal)->session->secret().reveal()));
}

Test(asr_record, a_spent_failsafe_chain_stays_spent) {
  RelationshipState state = full_state();
  ChainLink& failsafe = state.current->chain(Chain::failsafe).link();
  Bitmap all = Bitmap::for_roster(*state.current->description);
  const auto candidate =
      *failsafe.derive(state.current->context, 2, 0, 4, Digest32{1}, all, state.current->ladder.links());
  failsafe.spend(candidate, Instant{9});
  cr_assert(failsafe.is_spent());
  cr_assert(failsafe.previous() == candidate->session, "it receives from those who have not committed");
  const auto restored = decode_record(encode_record(state, std::nullopt), Instant{5});
  cr_assert(restored);
  const ChainLink& now = restored->state.current->chain(Chain::failsafe).link();
  cr_assert(now.is_spent());
  cr_assert_eq(now.epoch(), 0U);
  cr_assert(now.session() == nullptr && now.previous() == nullptr);
}

Test(asr_record, without_what_may_be_missing) {
  RelationshipState state;
  state.current = *Generation::install(testing::fixed_asr(2), 0);
  const auto restored = decode_record(encode_record(state, std::nullopt), Instant{});
  cr_assert(restored);
  cr_assert(!restored->peer_endpoint);
  cr_assert(!restored->state.installed);
}

Test(asr_record, no_other_bytes_are_a_record) {
  const SecretBuffer record = encode_record(full_state(), std::nullopt);
  for (std::size_t size = 0; size < record.size(); size += 7) {
    const auto cut = SecretBuffer::copy_of(record.reveal().first(size));
    cr_assert_eq(decode_record(cut, Instant{}).error().code, Errc::state_corrupt, "cut to %zu", size);
  }
  SecretBuffer longer(record.size() + 1);
  std::ranges::copy(record.reveal(), longer.reveal_mutable().begin());
  cr_assert(!decode_record(longer, Instant{}));
}

Test(asr_record, epoch_0_is_never_restored) {
  RelationshipState state;
  const Asr asr = testing::fixed_asr(2);
  state.current = *Generation::install(asr, 0);
  Generation& current = *state.current;
  current.normal() = Establishment(
      ChainLink::restore(current.context, Chain::normal, asr.chains[0].clone(), SecretBuffer(32)));
  cr_assert(!decode_record(encode_record(state, std::nullopt), Instant{}));
}

Test(asr_record, a_record_of_another_version_is_refused) {
  for (const std::uint8_t version : {std::uint8_t{0}, std::uint8_t{2}}) {
    SecretBuffer record = encode_record(full_state(), std::nullopt);
    // {"v": 1, ...}: the head of the map, the key, the version.
    cr_assert_eq(record.reveal()[3], 1);
    record.reveal_mutable()[3] = version;
    cr_assert(!decode_record(record, Instant{5}));
  }
}
