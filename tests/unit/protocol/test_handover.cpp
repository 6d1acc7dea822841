#include "daemon/protocol/handover.h"

#include <criterion/criterion.h>

#include "tests/support/seeded_random.h"

using namespace akm;
using namespace akm::protocol;

namespace {

struct Fixture {
  akm::test::SeededRandom random{7};
  crypto::X25519PrivateKey key;
  crypto::X25519PublicKey shown{};
  HardwareValue hardware{};
  BundleContent content;

  Fixture() {
    (void)random.fill(key.reveal_mutable());
    shown = *crypto::x25519_public(key);
    hardware[0] = 0x11;
    content.identity.asr_id = 1;
    content.identity.nmm_id = 2;
    content.identity.node_id = 3;
    content.identity.nmm_name = "nmm";
    content.identity.node_name = "a";
    content.identity.nmm_endpoints = {"192.0.2.1:7400"};
    content.mask[5] = 9;
  }
  std::vector<std::uint8_t> sealed() { return *seal_handover(content, shown, hardware, random); }
};

}  // namespace

Test(handover, opens_with_the_nodes_key) {
  Fixture f;
  const auto opened = open_handover(f.sealed(), f.key, f.hardware);
  cr_assert(opened.has_value());
  cr_assert(*opened == f.content);
  cr_assert(f.sealed() != f.sealed(), "a fresh key each time");
}

Test(handover, another_key_or_machine_does_not_open_it) {
  Fixture f;
  const auto sealed = f.sealed();
  crypto::X25519PrivateKey other;
  (void)f.random.fill(other.reveal_mutable());
  cr_assert_eq(open_handover(sealed, other, f.hardware).error().code, Errc::not_authentic);
  HardwareValue moved = f.hardware;
  moved[31] ^= 1;
  cr_assert_eq(open_handover(sealed, f.key, moved).error().code, Errc::not_authentic);
}

Test(handover, every_changed_byte_is_refused) {
  Fixture f;
  const auto sealed = f.sealed();
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    auto changed = sealed;
    changed[at] ^= 0x40;
    cr_assert(!open_handover(changed, f.key, f.hardware), "byte %zu", at);
    cr_assert(!open_handover({sealed.data(), at}, f.key, f.hardware), "cut at %zu", at);
  }
}

Test(handover, other_ways_of_sealing_are_not_taken) {
  Fixture f;
  const auto direct = *encode_direct_bundle(f.content);
  cr_assert_eq(open_handover(direct.reveal(), f.key, f.hardware).error().code, Errc::not_supported);
  cr_assert_eq(decode_direct_bundle(f.sealed()).error().code, Errc::not_supported);
}

Test(handover, the_fingerprint_names_the_nmm_that_is_adopted) {
  Fixture f;
  const std::string none = *handover_fingerprint(f.shown, f.hardware);
  cr_assert_eq(*handover_fingerprint(f.shown, f.hardware, 0), none);
  cr_assert_neq(*handover_fingerprint(f.shown, f.hardware, 1), none);
  cr_assert_neq(*handover_fingerprint(f.shown, f.hardware, 1), *handover_fingerprint(f.shown, f.hardware, 2));
}

Test(handover, the_fingerprint_is_of_key_and_machine) {
  Fixture f;
  const std::string shown = *handover_fingerprint(f.shown, f.hardware);
  cr_assert_eq(shown.size(), 23U);
  std::string typed;
  for (const char c : shown) {
    if (c != '-') typed += static_cast<char>(std::tolower(c));
  }
  cr_assert(same_fingerprint(shown, typed));
  cr_assert(!same_fingerprint(shown, ""));
  cr_assert(!same_fingerprint("", ""));
  auto other = f.shown;
  other[0] ^= 1;
  cr_assert(!same_fingerprint(shown, *handover_fingerprint(other, f.hardware)));
  auto moved = f.hardware;
  moved[0] ^= 1;
  cr_assert(!same_fingerprint(shown, *handover_fingerprint(f.shown, moved)));
}
