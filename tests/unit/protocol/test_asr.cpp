#include "daemon/protocol/asr.h"

#include <criterion/criterion.h>

#include <functional>

#include "tests/support/sample_asr.h"

namespace {

using namespace akm::protocol;
using akm::test::SeededRandom;

AsrDescription sample(std::uint16_t members = 4, std::uint16_t step = 3) {
  SeededRandom random;
  return akm::test::sample_asr(members, random, step).description;
}

Test(asr, finds_members_by_index_and_by_node) {
  const AsrDescription asr = sample();
  cr_assert_eq(asr.member(6)->node_id, 0xa002u);
  cr_assert_null(asr.member(5));
  cr_assert_null(asr.member(100));
  cr_assert_eq(asr.member_by_node(0xa003)->index, 9);
  cr_assert_null(asr.member_by_node(1));
}

Test(asr, roster_hash_binds_what_matters_and_nothing_else) {
  const Digest32 hash = sample().roster_hash();
  const auto changed = [&](const std::function<void(AsrDescription&)>& change) {
    AsrDescription asr = sample();
    change(asr);
    return asr.roster_hash() != hash;
  };
  cr_assert(changed([](auto& asr) { asr.id ^= 1; }));
  cr_assert(changed([](auto& asr) { asr.generation += 1; }));
  cr_assert(changed([](auto& asr) { asr.roster.pop_back(); }));
  cr_assert(changed([](auto& asr) { asr.roster[1].index += 1; }));
  cr_assert(changed([](auto& asr) { asr.roster[1].node_id += 1; }));
  cr_assert(changed([](auto& asr) { asr.roster[1].role = Role::nmm; }));
  cr_assert(!changed([](auto& asr) { asr.roster[1].name = "renamed"; }));
  cr_assert(!changed([](auto& asr) { asr.roster[1].endpoints.clear(); }));
  cr_assert(!changed([](auto& asr) { asr.label = "other"; }));
}

Test(asr, check_refuses_what_section_2_forbids) {
  cr_assert(sample().check().has_value());
  const auto refused = [](const std::function<void(AsrDescription&)>& change) {
    AsrDescription asr = sample();
    change(asr);
    const auto status = asr.check();
    return !status.has_value() && status.error().code != akm::Errc::internal;
  };
  cr_assert(refused([](auto& asr) { asr.id = 0; }));
  cr_assert(refused([](auto& asr) { asr.generation = 0; }));
  cr_assert(refused([](auto& asr) { asr.label.clear(); }));
  cr_assert(refused([](auto& asr) { asr.label.assign(65, 'x'); }));
  cr_assert(refused([](auto& asr) { asr.label = "line\nbreak"; }));
  cr_assert(refused([](auto& asr) { asr.label = "\xff"; }));
  cr_assert(refused([](auto& asr) { asr.suite = static_cast<Suite>(4); }));
  cr_assert(refused([](auto& asr) { asr.roster.resize(1); }));
  cr_assert(refused([](auto& asr) { std::swap(asr.roster[0], asr.roster[1]); }));
  cr_assert(refused([](auto& asr) { asr.roster[1].index = asr.roster[0].index; }));
  cr_assert(refused([](auto& asr) { asr.roster[1].node_id = asr.roster[0].node_id; }));
  cr_assert(refused([](auto& asr) { asr.roster[1].node_id = 0; }));
  cr_assert(refused([](auto& asr) { asr.roster.back().index = 4096; }));
  cr_assert(refused([](auto& asr) { asr.roster[0].name.assign(65, 'x'); }));
  cr_assert(refused([](auto& asr) { asr.roster[0].endpoints = {"host.example:1"}; }));
  cr_assert(refused([](auto& asr) { asr.roster[0].endpoints.assign(5, "192.0.2.1:1"); }));
  cr_assert(refused([](auto& asr) { asr.roster[0].role = Role::nmm; }), "the NMM is no member");
  cr_assert(refused([](auto& asr) { asr.kind = Kind::provisioning; }), "not its two members");
  cr_assert(refused([](auto& asr) { asr.policy.nset_ms = 0; }));
}

Test(asr, takes_4096_members_and_no_more) {
  AsrDescription asr = sample(4096, 1);
  cr_assert(asr.check().has_value());
  asr.roster.push_back(asr.roster.back());
  cr_assert(!asr.check().has_value());
}

Test(asr, keys_end_a_little_after_they_were_to_be_replaced) {
  Policy policy;
  policy.rekey_interval_s = 3600;
  cr_assert_eq(key_timeout_s(policy), 4560);
  policy.rekey_interval_s = 4;
  cr_assert_eq(key_timeout_s(policy), 65);
  policy.rekey_interval_s = 0xffffffff;
  cr_assert_eq(key_timeout_s(policy), 30U * 86400 / 4 * 5 + 60);
}

Test(asr, a_clone_is_equal_and_apart) {
  SeededRandom random;
  Asr asr = akm::test::sample_asr(2, random);
  const Asr copy = asr.clone();
  cr_assert(copy.chains[2].pdv == asr.chains[2].pdv);
  asr.chains[2].pdv.reveal_mutable()[0] ^= 1;
  cr_assert(!(copy.chains[2].pdv == asr.chains[2].pdv));
}

}  // namespace
