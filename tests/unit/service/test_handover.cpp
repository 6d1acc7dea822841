#include "daemon/service/handover.h"

#include <criterion/criterion.h>

#include "tests/support/seeded_random.h"

using namespace akm;
using namespace akm::service;

namespace {

struct Fixture {
  akm::test::SeededRandom random{3};
  std::vector<std::uint8_t> hardware_value = std::vector<std::uint8_t>(32, 5);
  Handover handover;
  Instant now{1'000'000'000};

  std::vector<std::uint8_t> sealed_for(const Handover::Shown& offer) {
    protocol::BundleContent content;
    content.identity.asr_id = 1;
    content.identity.nmm_id = 2;
    content.identity.node_id = 3;
    content.identity.nmm_name = "nmm";
    content.identity.node_name = "a";
    content.identity.nmm_endpoints = {"192.0.2.1:7400"};
    crypto::X25519PublicKey key{};
    protocol::HardwareValue hardware{};
    std::ranges::copy(offer.key, key.begin());
    std::ranges::copy(hardware_value, hardware.begin());
    return *protocol::seal_handover(content, key, hardware, random);
  }
};

}  // namespace

Test(handover, one_key_while_it_lasts) {
  Fixture f;
  cr_assert(f.handover.fingerprint(f.now).empty());
  const auto offer = *f.handover.offer(f.hardware_value, f.random, f.now);
  cr_assert_eq(f.handover.fingerprint(f.now), offer.fingerprint);
  cr_assert_eq(f.handover.offer(f.hardware_value, f.random, f.now)->fingerprint, offer.fingerprint,
               "whoever looks and the NMM see the same");
  cr_assert(f.handover.open(f.sealed_for(offer), f.now).has_value());
}

Test(handover, it_ends_when_its_key_does) {
  Fixture f;
  cr_assert(!f.handover.ends());
  cr_assert(f.handover.offer(f.hardware_value, f.random, f.now).has_value());
  cr_assert(f.handover.ends() == f.now + kHandoverLasts);
  f.handover.forget();
  cr_assert(!f.handover.ends());
}

Test(handover, after_its_time_or_its_use_it_is_gone) {
  Fixture f;
  const auto offer = *f.handover.offer(f.hardware_value, f.random, f.now);
  const auto sealed = f.sealed_for(offer);
  const Instant late = f.now + kHandoverLasts;
  cr_assert(f.handover.fingerprint(late).empty());
  cr_assert_eq(f.handover.open(sealed, late).error().code, Errc::wrong_state);
  cr_assert_neq(f.handover.offer(f.hardware_value, f.random, late)->fingerprint, offer.fingerprint);
  cr_assert_eq(f.handover.open(sealed, late).error().code, Errc::not_authentic);
  f.handover.forget();
  cr_assert_eq(f.handover.open(sealed, late).error().code, Errc::wrong_state);
}
