#include "daemon/protocol/key_schedule.h"

#include <criterion/criterion.h>

#include <set>
#include <vector>

#include "tests/support/sample_asr.h"

// Known answers are those of tests/vectors; here is what they do not say.
namespace {

using namespace akm::protocol;
using Bytes = std::vector<std::uint8_t>;

const KeyContext kContext{Suite::hkdf_sha256_aes256gcm, 0x1122334455667788, 7, {1, 2, 3}};

ChainState chain(std::uint64_t seed = 1) {
  akm::test::SeededRandom random(seed);
  return akm::test::sample_asr(2, random).chains[0].clone();
}

Bytes secret_of(const KeyContext& context, Chain which, const ChainState& base, std::uint32_t target,
                const Bytes& contributions = {}) {
  const auto step = step_chain(context, which, base, target, contributions);
  cr_assert(step.has_value());
  const auto bytes = step->session_secret.reveal();
  return {bytes.begin(), bytes.end()};
}

Test(key_schedule, everything_in_the_context_changes_the_secret) {
  std::set<Bytes> secrets;
  const ChainState base = chain();
  secrets.insert(secret_of(kContext, Chain::normal, base, 1));
  secrets.insert(secret_of(kContext, Chain::fallback, base, 1));
  secrets.insert(secret_of(kContext, Chain::normal, base, 2));
  secrets.insert(secret_of(kContext, Chain::normal, base, 1, Bytes(32)));
  secrets.insert(secret_of(kContext, Chain::normal, chain(2), 1));
  KeyContext other = kContext;
  other.asr_id += 1;
  secrets.insert(secret_of(other, Chain::normal, base, 1));
  other = kContext;
  other.generation += 1;
  secrets.insert(secret_of(other, Chain::normal, base, 1));
  other = kContext;
  other.roster_hash[31] ^= 1;
  secrets.insert(secret_of(other, Chain::normal, base, 1));
  other = kContext;
  other.suite = Suite::hkdf_sha256_chacha20poly1305;
  secrets.insert(secret_of(other, Chain::normal, base, 1));
  cr_assert_eq(secrets.size(), 9);
}

Test(key_schedule, secrets_are_as_long_as_the_hash) {
  KeyContext context = kContext;
  context.suite = Suite::hkdf_sha384_aes256gcm;
  const auto step = step_chain(context, Chain::normal, chain(), 1, {});
  cr_assert_eq(step->session_secret.size(), 48);
  cr_assert_eq(step->prk.size(), 48);
  cr_assert_eq(step->next.epoch, 1);
}

Test(key_schedule, a_chain_never_steps_back) {
  ChainState base = chain();
  base.epoch = 5;
  cr_assert_eq(step_chain(kContext, Chain::normal, base, 5, {}).error().code, akm::Errc::invalid_argument);
  cr_assert(!step_chain(kContext, Chain::normal, base, 4, {}).has_value());
  cr_assert(step_chain(kContext, Chain::normal, base, 7, {}).has_value());
}

Test(key_schedule, contributions_are_none_or_a_transcript) {
  cr_assert(!step_chain(kContext, Chain::normal, chain(), 1, Bytes(31)).has_value());
  cr_assert(!step_chain(kContext, Chain::normal, chain(), 1, Bytes(33)).has_value());
}

Test(key_schedule, senders_have_keys_of_their_own) {
  const auto step = step_chain(kContext, Chain::normal, chain(), 1, {});
  std::set<Bytes> keys;
  const auto add = [&](std::uint16_t index, std::uint32_t incarnation, std::uint32_t salt) {
    const auto key = sender_key(kContext.suite, step->session_secret, index, incarnation, salt);
    const auto bytes = key->key.reveal();
    keys.emplace(bytes.begin(), bytes.end());
  };
  add(1, 1, 1);
  add(2, 1, 1);
  add(1, 2, 1);
  add(1, 1, 2);
  cr_assert_eq(keys.size(), 4);
}

Test(key_schedule, exports_are_bound_to_name_and_context) {
  const auto step = step_chain(kContext, Chain::normal, chain(), 1, {});
  std::set<Bytes> keys;
  const auto add = [&](std::string_view name, const Bytes& consumer) {
    const auto key = export_key(kContext, Chain::normal, 1, step->session_secret, name, consumer, 32);
    const auto bytes = key->reveal();
    keys.emplace(bytes.begin(), bytes.end());
  };
  add("wireguard", {});
  add("ipsec", {});
  add("wireguar", {'d'});  // the length of the name keeps them apart
  cr_assert_eq(keys.size(), 3);
  const auto refused = [&](std::string_view name, const Bytes& consumer, std::size_t length) {
    return !export_key(kContext, Chain::normal, 1, step->session_secret, name, consumer, length).has_value();
  };
  cr_assert(refused("", {}, 32));
  cr_assert(refused(std::string(256, 'n'), {}, 32));
  cr_assert(refused("n", Bytes(256), 32));
  cr_assert(refused("n", {}, 0));
  cr_assert(refused("n", {}, 1025));
  cr_assert(!refused(std::string(255, 'n'), Bytes(255), 1024));
}

Test(key_schedule, check_value_follows_the_epoch_and_is_no_part_of_the_key) {
  const auto step = step_chain(kContext, Chain::normal, chain(), 1, {});
  const auto one = key_check_value(kContext, Chain::normal, 1, step->session_secret);
  cr_assert(*one == *key_check_value(kContext, Chain::normal, 1, step->session_secret));
  cr_assert(*one != *key_check_value(kContext, Chain::normal, 2, step->session_secret));
  cr_assert(!std::equal(one->begin(), one->end(), step->session_secret.reveal().begin()));
}

Test(key_schedule, only_earlier_chains_are_re_rooted) {
  const auto step = step_chain(kContext, Chain::failsafe, chain(), 1, {});
  const auto normal = reroot(kContext, Chain::normal, Chain::failsafe, 1, 9, step->prk);
  const auto fallback = reroot(kContext, Chain::fallback, Chain::failsafe, 1, 9, step->prk);
  cr_assert_eq(normal->epoch, 9);
  cr_assert(!(normal->pdv == fallback->pdv));
  cr_assert(!reroot(kContext, Chain::failsafe, Chain::failsafe, 1, 9, step->prk).has_value());
  cr_assert(!reroot(kContext, Chain::failsafe, Chain::fallback, 1, 9, step->prk).has_value());
  cr_assert(!reroot(kContext, Chain::normal, Chain::normal, 1, 9, step->prk).has_value());
  cr_assert_eq(reroot(kContext, Chain::normal, Chain::fallback, 1, UINT32_MAX, step->prk).error().code,
               akm::Errc::exhausted, "there is no epoch to step to");
}

}  // namespace
