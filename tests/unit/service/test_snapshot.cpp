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
