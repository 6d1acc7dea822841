#include "daemon/protocol/asr_codec.h"

#include <criterion/criterion.h>

#include <functional>

#include "tests/support/sample_asr.h"

namespace {

using namespace akm::protocol;

akm::SecretBuffer encode(const Asr& asr) {
  CborWriter writer(CborWriter::Memory::secret);
  write_asr(writer, asr);
  return writer.take_secret();
}

std::vector<std::uint8_t> encode(const Policy& policy) {
  CborWriter writer;
  write_policy(writer, policy);
  return writer.take();
}

akm::Result<Policy> decode_policy(const std::vector<std::uint8_t>& bytes) {
  CborReader reader(bytes);
  Policy out = read_policy(reader);
  if (const auto status = reader.finish(); !status) return std::unexpected(status.error());
  return out;
}

Test(asr_codec, asr_round_trip) {
  akm::test::SeededRandom random;
  Asr asr = akm::test::sample_asr(5, random, 2);
  asr.description.policy.topology = Topology::star;
  asr.description.roster[1].endpoints.clear();
  const akm::SecretBuffer bytes = encode(asr);
  CborReader reader(bytes.reveal());
  const Asr back = read_asr(reader);
  cr_assert(reader.finish().has_value());
  cr_assert_eq(back.description.id, asr.description.id);
  cr_assert_eq(back.description.label, asr.description.label);
  cr_assert_eq(back.description.generation, asr.description.generation);
  cr_assert(back.description.roster == asr.description.roster);
  cr_assert(back.description.policy == asr.description.policy);
  cr_assert(back.description.roster_hash() == asr.description.roster_hash());
  for (std::size_t i = 0; i < kChainCount; ++i) {
    cr_assert(back.chains[i].pdv == asr.chains[i].pdv);
    cr_assert(back.chains[i].seed == asr.chains[i].seed);
    cr_assert_eq(back.chains[i].epoch, 0);
  }
}

Test(asr_codec, what_is_not_a_valid_asr_is_refused) {
  const auto refused = [](const std::function<void(AsrDescription&)>& change) {
    akm::test::SeededRandom random;
    Asr asr = akm::test::sample_asr(3, random);
    change(asr.description);
    const akm::SecretBuffer bytes = encode(asr);
    CborReader reader(bytes.reveal());
    (void)read_asr(reader);
    return !reader.finish().has_value();
  };
  cr_assert(!refused([](auto&) {}));
  cr_assert(refused([](auto& asr) { asr.id = 0; }));
  cr_assert(refused([](auto& asr) { asr.suite = static_cast<Suite>(9); }));
  cr_assert(refused([](auto& asr) { asr.kind = static_cast<Kind>(2); }));
  cr_assert(refused([](auto& asr) { asr.roster[0].role = static_cast<Role>(2); }));
  cr_assert(refused([](auto& asr) { std::swap(asr.roster[0], asr.roster[1]); }));
  cr_assert(refused([](auto& asr) { asr.roster[0].endpoints.assign(5, "192.0.2.1:1"); }));
  cr_assert(refused([](auto& asr) { asr.label.assign(65, 'x'); }));
}

Test(asr_codec, every_truncation_is_refused) {
  akm::test::SeededRandom random;
  const akm::SecretBuffer bytes = encode(akm::test::sample_asr(3, random));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CborReader reader(bytes.reveal().first(size));
    (void)read_asr(reader);
    cr_assert(!reader.finish().has_value(), "%zu bytes", size);
  }
}

Test(asr_codec, policy_round_trip) {
  Policy policy;
  policy.rekey_interval_s = 61;
  policy.rekey_after_frames = 1000;
  policy.renew_interval_s = 62;
  policy.nnrt_ms = 101;
  policy.nset_ms = 102;
  policy.fbset_ms = 103;
  policy.fsset_ms = 104;
  policy.grace_ms = 105;
  policy.quorum = Quorum::majority;
  policy.topology = Topology::multicast;
  policy.multicast_group = "[ff15::a]:7400";
  policy.attestation = Attestation::required;
  policy.resync_min_interval_s = 63;
  policy.install_deadline_s = 64;
  policy.control_deadline_s = 65;
  policy.rotate_provisioning_after_install = false;
  policy.heartbeat_interval_s = 66;
  const auto back = decode_policy(encode(policy));
  cr_assert(back.has_value());
  cr_assert(*back == policy);
}

Test(asr_codec, a_missing_policy_field_keeps_its_default_and_an_unknown_one_is_skipped) {
  CborWriter writer;
  writer.map(2);
  writer.text("grace_ms");
  writer.unsigned_integer(7);
  writer.text("something_new");
  writer.array(1);
  writer.text("x");
  const auto back = decode_policy(writer.take());
  cr_assert(back.has_value());
  Policy expected;
  expected.grace_ms = 7;
  cr_assert(*back == expected);
}

Test(asr_codec, policies_out_of_bounds_are_refused) {
  cr_assert(check_policy(Policy{}).has_value());
  const auto refused = [](const std::function<void(Policy&)>& change) {
    Policy policy;
    change(policy);
    const bool checked = check_policy(policy).has_value();
    cr_assert_eq(checked, decode_policy(encode(policy)).has_value(), "check and decoder agree");
    return !checked;
  };
  cr_assert(refused([](auto& policy) { policy.nnrt_ms = 0; }));
  cr_assert(refused([](auto& policy) { policy.nset_ms = 0; }));
  cr_assert(refused([](auto& policy) { policy.rekey_interval_s = 0; }));
  cr_assert(refused([](auto& policy) { policy.heartbeat_interval_s = 0; }));
  cr_assert(refused([](auto& policy) { policy.grace_ms = UINT32_MAX; }));
  cr_assert(refused([](auto& policy) { policy.rekey_after_frames = std::uint64_t{1} << 32; }));
  cr_assert(refused([](auto& policy) { policy.rekey_after_frames = 0; }));
  cr_assert(refused([](auto& policy) { policy.topology = Topology::multicast; }), "without a group");
}

Test(asr_codec, an_unknown_choice_is_refused) {
  CborWriter writer;
  writer.map(1);
  writer.text("quorum");
  writer.text("none");
  cr_assert(!decode_policy(writer.take()).has_value());
}

}  // namespace

Test(asr_codec, a_group_address_travels_with_topology_multicast) {
  Policy policy;
  policy.topology = Topology::multicast;
  policy.multicast_group = "239.192.0.1:7400";
  const auto back = decode_policy(encode(policy));
  cr_assert(back && *back == policy);
  cr_assert(check_policy(policy));
  policy.multicast_group = "10.0.0.1:7400";
  cr_assert_eq(check_policy(policy).error().code, akm::Errc::invalid_argument);
  policy.multicast_group.clear();
  cr_assert(!check_policy(policy));
  policy.topology = Topology::mesh;
  cr_assert(check_policy(policy));
}
