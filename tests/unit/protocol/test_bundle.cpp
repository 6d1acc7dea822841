#include "daemon/protocol/bundle.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <functional>

#include "daemon/protocol/cbor.h"
#include "tests/support/seeded_random.h"

namespace {

using namespace akm::protocol;
using akm::Errc;
using Bytes = std::vector<std::uint8_t>;

constexpr ScryptCost kCheap{.n = 16384, .r = 8, .p = 1};  // the floor: tests need not take seconds

BundleContent content() {
  BundleContent out;
  out.identity = {.asr_id = 5,
                  .nmm_id = 6,
                  .node_id = 7,
                  .serial = 3,
                  .suite = Suite::hkdf_sha384_aes256gcm,
                  .nmm_name = "nmm",
                  .node_name = "node",
                  .nmm_endpoints = {"192.0.2.1:7400", "[2001:db8::1]:7400"},
                  .policy = {.nnrt_ms = 500, .multicast_group = {}}};
  out.use_id.fill(0x11);
  out.mask.fill(0x22);
  return out;
}

akm::SecretBuffer code(const char* typed = "ABCDE-FGHJK-MNPQR-STVWX") {
  auto out = parse_code(typed);
  cr_assert(out.has_value());
  return std::move(*out);
}

Bytes sealed(const ScryptCost& cost = kCheap) {
  akm::test::SeededRandom random;
  auto out = seal_bundle(content(), code(), random, cost);
  cr_assert(out.has_value());
  return std::move(*out);
}

Test(bundle, content_round_trip) {
  const akm::SecretBuffer bytes = content().encode();
  const auto back = BundleContent::decode(bytes.reveal());
  cr_assert(back.has_value());
  cr_assert(*back == content());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    cr_assert(!BundleContent::decode(bytes.reveal().first(size)).has_value());
  }
}

Test(bundle, a_bundle_for_unknown_hardware_says_so) {
  BundleContent unbound = content();
  unbound.unbound = true;
  const akm::SecretBuffer bytes = unbound.encode();
  const auto back = BundleContent::decode(bytes.reveal());
  cr_assert(back.has_value());
  cr_assert(back->unbound);
  cr_assert_eq(bytes.size(), content().encode().size() + 9, "a bound one has no such pair");
}

Test(bundle, a_check_comes_back_and_may_be_left_out) {
  BundleContent bound = content();
  cr_assert_not(BundleContent::decode(bound.encode().reveal())->check.has_value());
  bound.check = HardwareCheck{1, 2, 3};
  const auto back = BundleContent::decode(bound.encode().reveal());
  cr_assert(back.has_value());
  cr_assert(*back == bound);
}

Test(bundle, content_that_makes_no_asr_is_refused) {
  const auto refused = [](const std::function<void(ProvisioningIdentity&)>& change) {
    BundleContent one = content();
    change(one.identity);
    const auto decoded = BundleContent::decode(one.encode().reveal());
    return !decoded.has_value() && decoded.error().code == Errc::malformed;
  };
  cr_assert(!refused([](auto&) {}));
  cr_assert(refused([](auto& one) { one.asr_id = 0; }));
  cr_assert(refused([](auto& one) { one.nmm_id = 0; }));
  cr_assert(refused([](auto& one) { one.node_id = one.nmm_id; }));
  cr_assert(refused([](auto& one) { one.serial = 0; }));
  cr_assert(refused([](auto& one) { one.suite = static_cast<Suite>(7); }));
  cr_assert(refused([](auto& one) { one.nmm_endpoints = {"example.org:1"}; }));
  cr_assert(refused([](auto& one) { one.nmm_endpoints.assign(5, "192.0.2.1:1"); }));
  cr_assert(refused([](auto& one) { one.policy.nset_ms = 0; }));
}

Test(bundle, opens_with_its_code_as_people_type_it) {
  const Bytes bytes = sealed();
  const auto opened = open_bundle(bytes, code(" abcde fghjk mnpqr stvwx "));
  cr_assert(opened.has_value());
  cr_assert(*opened == content());
}

Test(bundle, another_code_is_a_wrong_code) {
  cr_assert_eq(open_bundle(sealed(), code("ABCDE-FGHJK-MNPQR-STVWY")).error().code, Errc::wrong_code);
  cr_assert_eq(open_bundle(sealed(), akm::SecretBuffer(19)).error().code, Errc::invalid_argument);
}

Test(bundle, two_bundles_share_neither_salt_nor_nonce) {
  akm::test::SeededRandom random;
  const auto one = seal_bundle(content(), code(), random, kCheap);
  const auto two = seal_bundle(content(), code(), random, kCheap);
  cr_assert(*one != *two);
}

Test(bundle, the_default_cost_is_that_of_section_7) {
  const ScryptCost cost;
  cr_assert_eq(cost.n, 131072);
  cr_assert_eq(cost.r, 8);
  cr_assert_eq(cost.p, 1);
}

// Whichever byte of the file is changed, the bundle does not open; what costs scrypt is tried at one bit a
// byte.
Test(bundle, a_changed_file_does_not_open) {
  const Bytes bytes = sealed();
  for (std::size_t place = 0; place < bytes.size(); place += place < 110 ? 1 : 97) {
    Bytes changed = bytes;
    changed[place] ^= 0x01;
    cr_assert(!open_bundle(changed, code()).has_value(), "byte %zu", place);
  }
}

Test(bundle, a_cut_file_does_not_open) {
  const Bytes bytes = sealed();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto opened = open_bundle(std::span(bytes).first(size), code());
    cr_assert(!opened.has_value());
    cr_assert_eq(opened.error().code, Errc::malformed);
  }
  Bytes huge(kBundleBytes + 1);
  cr_assert_eq(open_bundle(huge, code()).error().code, Errc::too_large);
}

// A hostile file may not ask for gigabytes or hours, nor for a code that is cheap to guess.
Test(bundle, costs_out_of_bounds_are_refused) {
  const auto refused = [](const ScryptCost& cost) {
    const auto opened = open_bundle(sealed(cost), code());
    return !opened.has_value() && opened.error().code == Errc::malformed;
  };
  cr_assert(!refused(kCheap));
  cr_assert(refused({.n = 8192, .r = 8, .p = 1}));
  cr_assert(refused({.n = 16384, .r = 1, .p = 1}));
  cr_assert(refused({.n = 16384, .r = 8, .p = 2}));
  CborWriter writer;  // by hand: nobody should have to seal it
  writer.map(8);
  for (const auto& [name, value] : {std::pair{"n", 1U << 20}, {"p", 1U}, {"r", 8U}}) {
    writer.text(name);
    writer.unsigned_integer(value);
  }
  writer.text("kdf");
  writer.text("scrypt");
  writer.text("salt");
  writer.bytes(Bytes(16));
  writer.text("nonce");
  writer.bytes(Bytes(12));
  writer.text("sealed");
  writer.bytes(Bytes(100));
  writer.text("akm-bundle");
  writer.unsigned_integer(1);
  cr_assert_eq(open_bundle(writer.take(), code()).error().code, Errc::malformed);
}

// Section 7: an unsealed bundle on a USB drive would let whoever swaps the file choose the NMM.
Test(bundle, a_direct_bundle_and_a_sealed_one_do_not_pass_for_each_other) {
  const auto direct = encode_direct_bundle(content());
  cr_assert(direct.has_value());
  const auto back = decode_direct_bundle(direct->reveal());
  cr_assert(back.has_value());
  cr_assert(*back == content());
  cr_assert_eq(open_bundle(direct->reveal(), code()).error().code, Errc::not_supported);
  cr_assert_eq(decode_direct_bundle(sealed()).error().code, Errc::not_supported);
}

Test(bundle, unknown_fields_of_the_outer_map_are_refused) {
  const akm::SecretBuffer plain = content().encode();
  const auto outer = [&](bool extra, std::uint64_t version) {
    CborWriter writer;
    writer.map(extra ? 4 : 3);
    writer.text("kdf");
    writer.text("none");
    writer.text("content");
    writer.bytes(plain.reveal());
    writer.text("akm-bundle");
    writer.unsigned_integer(version);
    if (extra) {
      writer.text("something new");
      writer.unsigned_integer(0);
    }
    return writer.take();
  };
  cr_assert(decode_direct_bundle(outer(false, 1)).has_value());
  cr_assert(!decode_direct_bundle(outer(true, 1)).has_value());
  cr_assert(!decode_direct_bundle(outer(false, 2)).has_value());
}

Test(bundle, fails_without_randomness) {
  akm::test::FailingRandom random;
  cr_assert(!seal_bundle(content(), code(), random, kCheap).has_value());
}

}  // namespace
