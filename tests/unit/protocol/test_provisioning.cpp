#include "daemon/protocol/provisioning.h"

#include <criterion/criterion.h>

#include "tests/support/seeded_random.h"

// Known answers are those of tests/vectors.
namespace {

using namespace akm::protocol;
using akm::Errc;

const HardwareSource kDisk{"root-disk-serial", "S1"};
const HardwareSource kMac{"nic-permanent-mac", "00:11:22:33:44:55"};

ProvisioningRoot root(std::uint64_t seed = 1) {
  akm::test::SeededRandom random(seed);
  ProvisioningRoot out;
  (void)random.fill(out.reveal_mutable());
  return out;
}

ProvisioningIdentity identity() {
  return {.asr_id = 5,
          .nmm_id = 6,
          .node_id = 7,
          .serial = 3,
          .suite = Suite::hkdf_sha256_aes256gcm,
          .nmm_name = "nmm",
          .node_name = "node",
          .nmm_endpoints = {"192.0.2.1:7400"},
          .policy = {}};
}

bool same(const Chains& a, const Chains& b) {
  bool out = true;
  for (std::size_t i = 0; i < kChainCount; ++i) out = out && a[i].pdv == b[i].pdv && a[i].seed == b[i].seed;
  return out;
}

Test(provisioning, order_of_sources_does_not_matter_but_each_value_does) {
  const std::vector<HardwareSource> one{kDisk, kMac};
  const std::vector<HardwareSource> other{kMac, kDisk};
  const std::vector<HardwareSource> fewer{kMac};
  std::vector<HardwareSource> changed{kMac, kDisk};
  changed[1].value = "S2";
  cr_assert(*hardware_value(one) == *hardware_value(other));
  cr_assert(*hardware_value(one) != *hardware_value(fewer));
  cr_assert(*hardware_value(one) != *hardware_value(changed));
}

Test(provisioning, sources_that_cannot_be_are_refused) {
  cr_assert_eq(hardware_value({}).error().code, Errc::no_hardware_source);
  const auto refused = [](const std::vector<HardwareSource>& sources) {
    return hardware_value(sources).error().code == Errc::invalid_argument;
  };
  cr_assert(refused({{"cpu-id", "1"}}));
  cr_assert(refused({kDisk, {"cpu-id", "1"}}));
  cr_assert(refused({kDisk, kDisk}));
  cr_assert(refused({{"root-disk-serial", ""}}));
  cr_assert(refused({{"root-disk-serial", std::string(257, 'x')}}));
  cr_assert(refused({{"root-disk-serial", "\xff"}}));
}

Test(provisioning, chains_are_bound_to_everything) {
  const HardwareValue hardware{1};
  const Chains chains = *derive_provisioning_chains(root(), hardware, 6, 7, 3);
  cr_assert(same(chains, *derive_provisioning_chains(root(), hardware, 6, 7, 3)));
  cr_assert(!same(chains, *derive_provisioning_chains(root(2), hardware, 6, 7, 3)));
  cr_assert(!same(chains, *derive_provisioning_chains(root(), HardwareValue{2}, 6, 7, 3)));
  cr_assert(!same(chains, *derive_provisioning_chains(root(), hardware, 8, 7, 3)));
  cr_assert(!same(chains, *derive_provisioning_chains(root(), hardware, 6, 8, 3)));
  cr_assert(!same(chains, *derive_provisioning_chains(root(), hardware, 6, 7, 4)));
  cr_assert(!derive_provisioning_chains(root(), hardware, 0, 7, 3).has_value());
  cr_assert(!derive_provisioning_chains(root(), hardware, 6, 0, 3).has_value());
  cr_assert(!derive_provisioning_chains(root(), hardware, 6, 7, 0).has_value());
}

Test(provisioning, a_mask_opens_on_its_hardware_only) {
  const HardwareValue hardware{1};
  const SingleUseId use_id{9};
  const Chains chains = *derive_provisioning_chains(root(), hardware, 6, 7, 3);
  const Mask mask = *mask_chains(chains, hardware, use_id);
  cr_assert(same(chains, *unmask_chains(mask, hardware, use_id)));
  cr_assert(!same(chains, *unmask_chains(mask, HardwareValue{2}, use_id)));
  cr_assert(!same(chains, *unmask_chains(mask, hardware, SingleUseId{8})));
  cr_assert(mask != *mask_chains(chains, hardware, SingleUseId{8}),
            "two bundles of one node do not look alike");
}

Test(provisioning, a_check_tells_the_machine) {
  // Computed by another implementation of HKDF (Python's hmac).
  const HardwareCheck expected{0x08, 0x3f, 0x68, 0xbc, 0x25, 0x11, 0x06, 0xc1,
                               0x1e, 0x97, 0xbc, 0x77, 0xf0, 0x53, 0x8f, 0x8c};
  cr_assert(*hardware_check(HardwareValue{1}, SingleUseId{9}) == expected);
  cr_assert(*hardware_check(HardwareValue{2}, SingleUseId{9}) != expected);
  cr_assert(*hardware_check(HardwareValue{1}, SingleUseId{8}) != expected);
}

Test(provisioning, makes_the_relationship_of_two) {
  const auto asr = make_provisioning_asr(identity(), *derive_provisioning_chains(root(), {1}, 6, 7, 3));
  cr_assert(asr.has_value());
  cr_assert(asr->description.kind == Kind::provisioning);
  cr_assert_eq(asr->description.generation, 3);
  cr_assert_eq(asr->description.roster[kNmmIndex].node_id, 6);
  cr_assert(asr->description.roster[kNmmIndex].role == Role::nmm);
  cr_assert_eq(asr->description.roster[kNmmIndex].endpoints.size(), 1);
  cr_assert_eq(asr->description.roster[kNodeIndex].node_id, 7);
  cr_assert(asr->description.roster[kNodeIndex].endpoints.empty());
  cr_assert(!asr->chains[0].seed.reveal().empty());
}

Test(provisioning, refuses_what_is_no_relationship) {
  const auto refused = [](auto&& change) {
    ProvisioningIdentity one = identity();
    change(one);
    return !make_provisioning_asr(one, {}).has_value();
  };
  cr_assert(refused([](auto& one) { one.asr_id = 0; }));
  cr_assert(refused([](auto& one) { one.serial = 0; }));
  cr_assert(refused([](auto& one) { one.nmm_id = one.node_id; }));
  cr_assert(refused([](auto& one) { one.nmm_endpoints = {"nowhere"}; }));
  cr_assert(refused([](auto& one) { one.node_name = "a\nb"; }));
}

}  // namespace
