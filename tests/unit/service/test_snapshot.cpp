#include "daemon/service/snapshot.h"

#include <criterion/criterion.h>

#include "daemon/base/hex.h"
#include "daemon/protocol/key_schedule.h"
#include "tests/support/memory_key_store.h"
#include "tests/support/sample_asr.h"
#include "tests/support/seeded_random.h"

using namespace akm;
using namespace akm::service;

namespace {

protocol::AsrView view_of_sample() {
  test::SeededRandom random;
  protocol::AsrView view;
  view.description = test::sample_asr(3, random).description;
  view.own_index = 1;
  view.epoch = 4;
  view.members = {{.index = 0, .last_heard = Instant{100}, .incarnation = 1},
                  {.index = 2, .last_heard = std::nullopt}};
  return view;
}

}  // namespace

Test(snapshot, shows_everything_but_secrets) {
  const AsrSnapshot shown = asr_snapshot(view_of_sample(), Instant{200}, nullptr);
  cr_assert_eq(shown.kind, "operational");
  cr_assert_eq(shown.suite, "hkdf-sha256-aes256gcm");
  cr_assert_eq(shown.generation, 7);
  cr_assert_eq(shown.epoch, 4);
  cr_assert_eq(shown.roster_hash.size(), 64);
  cr_assert_eq(shown.members.at(0).state, "heard");
  cr_assert_eq(shown.members.at(1).state, "self");
  cr_assert_eq(shown.members.at(2).state, "silent");
  cr_assert_eq(shown.policy.at("rekey_interval_s"), "3600");
  cr_assert(shown.key_check.empty());
}

Test(snapshot, the_check_value_is_of_the_key_in_the_key_store) {
  const protocol::AsrView view = view_of_sample();
  test::MemoryKeyStore keys;
  SecretBuffer secret(32);
  secret.reveal_mutable()[0] = 9;
  cr_assert(keys.put({view.description.id, keyring::KeyId::Slot::current, {}}, secret, 0).has_value());
  const protocol::KeyContext context{view.description.suite, view.description.id, 7,
                                     view.description.roster_hash()};
  const auto expected = protocol::key_check_value(context, protocol::Chain::normal, 4, secret);
  cr_assert_eq(asr_snapshot(view, Instant{200}, &keys).key_check, hex(*expected));
  secret.reveal_mutable()[0] = 8;
  cr_assert(keys.put({view.description.id, keyring::KeyId::Slot::current, {}}, secret, 0).has_value());
  cr_assert_neq(asr_snapshot(view, Instant{200}, &keys).key_check, hex(*expected));
  cr_assert(keys.revoke_all().has_value());
  cr_assert(asr_snapshot(view, Instant{200}, &keys).key_check.empty());
}

Test(snapshot, a_member_that_was_not_heard_for_long_is_silent) {
  const Instant later = Instant{100} + std::chrono::hours(3);
  cr_assert_eq(asr_snapshot(view_of_sample(), later, nullptr).members.at(0).state, "silent");
}

Test(snapshot, each_refusal_has_its_counter) {
  protocol::Counters counters;
  counters.refused[static_cast<std::size_t>(protocol::Refusal::replayed)] = 3;
  const auto map = counter_map(counters);
  cr_assert_eq(map.at("refused_replayed"), 3);
  cr_assert_eq(map.at("refused_not_authentic"), 0);
  cr_assert_eq(map.size(), 10 + protocol::kRefusalCount);
}

Test(snapshot, members_are_shown_with_what_is_known_and_awaited_of_them) {
  protocol::AsrView view = view_of_sample();
  view.phase = protocol::Phase::sei;
  view.chain = protocol::Chain::fallback;
  view.target = 5;
  view.since = Instant{50};
  view.phase_since = Instant{150};
  view.awaited = protocol::Awaited::members;
  view.awaited_until = Instant{400};
  view.data = {.sent = 1, .received = 2, .refused = 3};
  view.members[0].generation = 7;
  view.members[0].epoch = 4;
  view.members[0].since = Instant{60};
  view.members[1].awaited = true;
  const AsrSnapshot shown = asr_snapshot(view, Instant{200}, nullptr);
  cr_assert_eq(shown.chain, "fallback");
  cr_assert_eq(shown.target, 5);
  cr_assert_eq(shown.now_ns, 200);
  cr_assert_eq(shown.since_ns, 50);
  cr_assert_eq(shown.phase_since_ns, 150);
  cr_assert_eq(shown.waits_for, "SEI of the stragglers");
  cr_assert_eq(shown.waits_until_ns, 400);
  cr_assert_eq(shown.members[0].generation, 7);
  cr_assert_eq(shown.members[0].epoch, 4);
  cr_assert_eq(shown.members[0].since_ns, 60);
  cr_assert_eq(shown.members[0].last_heard_ns, 100);
  cr_assert_eq(shown.members[0].waits_for, "");
  cr_assert_eq(shown.members[1].since_ns, 50, "the own");
  cr_assert_eq(shown.members[2].generation, 0, "nothing is known");
  cr_assert_eq(shown.members[2].waits_for, "its SEI");
  cr_assert_eq(shown.members[2].waits_since_ns, 150);
  cr_assert_eq(shown.stragglers.size(), 1);
  cr_assert_eq(shown.stragglers[0].name, shown.members[2].name);
  cr_assert_eq(shown.counters.at("data_refused"), 3);
}

Test(snapshot, each_thing_that_can_be_awaited_has_its_phrase) {
  using protocol::Awaited;
  protocol::AsrView view = view_of_sample();
  const auto phrase = [&view] { return asr_snapshot(view, Instant{200}, nullptr).waits_for; };
  cr_assert_eq(phrase(), "");
  view.awaited = Awaited::next_attempt;
  cr_assert_eq(phrase(), "the next attempt");
  view.nmm_asked = true;
  cr_assert_eq(phrase(), "the NMM's next generation, or the next attempt");
  view.awaited = Awaited::nothing;
  cr_assert_eq(phrase(), "the NMM's next generation");
  view.installed_generation = 8;
  cr_assert_eq(phrase(), "the switch to generation 8");
  view.awaited = Awaited::fallback;
  cr_assert_eq(phrase(), "the turn of the fallback chain");
  view.awaited = Awaited::failsafe;
  cr_assert_eq(phrase(), "the turn of the failsafe chain");
  for (const auto chain : {protocol::Chain::normal, protocol::Chain::fallback, protocol::Chain::failsafe})
    cr_assert_not(chain_name(chain).empty());
}
