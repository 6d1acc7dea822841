#include "daemon/protocol/attestation.h"

#include <criterion/criterion.h>

#include <vector>

#include "tests/support/paper_tpm.h"

using namespace akm;
using namespace akm::protocol;
using akm::testing::PaperTpm;

namespace {

constexpr std::uint32_t kMask = 0xff;

struct Case {
  PaperTpm tpm;
  Body nonce = Body(32, 9);
  std::uint32_t mask = kMask;

  [[nodiscard]] Result<QuotedState> verify() const {
    const Body quote = tpm.quote(Body(32, 9), mask);
    return verify_quote(tpm.public_key(), quote, tpm.sign(quote), nonce, kAttestedPcrs);
  }
  [[nodiscard]] Errc error() const {
    const auto state = verify();
    cr_assert_not(state.has_value());
    return state.error().code;
  }
};

}  // namespace

Test(attestation, a_quote_over_the_nonce_and_the_pcrs_is_taken) {
  const Case good;
  const auto state = good.verify();
  cr_assert(state.has_value(), "%s", state.has_value() ? "" : state.error().message().c_str());
  cr_assert(state->pcr_digest == good.tpm.pcr_digest);
  cr_assert_eq(state->reset_count, 5U);
  cr_assert_eq(state->restart_count, 6U);
}

Test(attestation, another_nonce_or_selection_is_not_authentic) {
  Case other;
  other.nonce[0] = 1;
  cr_assert_eq(other.error(), Errc::not_authentic);
  other.nonce = Body(31, 9);
  cr_assert_eq(other.error(), Errc::not_authentic);
  for (const std::uint32_t mask : {0x7fU, 0x1ffU, 0U, 0xff0000U}) {
    Case selection;
    selection.mask = mask;
    cr_assert_eq(selection.error(), Errc::not_authentic);
  }
  Case bank;
  bank.tpm.bank = 0x0004;  // SHA-1
  cr_assert_eq(bank.error(), Errc::not_authentic);
}

Test(attestation, what_the_tpm_did_not_make_is_refused) {
  Case magic;
  magic.tpm.magic = 0x11111111;
  cr_assert_eq(magic.error(), Errc::malformed);
  Case type;
  type.tpm.type = 0x8017;  // certify
  cr_assert_eq(type.error(), Errc::malformed);
}

Test(attestation, a_key_that_signs_anything_or_can_leave_is_refused) {
  for (const unsigned bit : {1U, 4U, 5U, 16U, 18U}) {
    Case weak;
    weak.tpm.attributes &= ~(1U << bit);
    cr_assert_eq(weak.error(), Errc::not_authentic);
  }
  Case decrypts;
  decrypts.tpm.attributes |= 1U << 17;
  cr_assert_eq(decrypts.error(), Errc::not_authentic);
}

Test(attestation, another_key_and_any_changed_byte_are_refused) {
  const Case good;
  const PaperTpm other;
  const Body quote = good.tpm.quote(good.nonce, kMask);
  const Body signature = good.tpm.sign(quote);
  cr_assert_eq(verify_quote(other.public_key(), quote, signature, good.nonce, kAttestedPcrs).error().code,
               Errc::not_authentic);
  for (std::size_t i = 0; i < quote.size(); ++i) {
    Body changed = quote;
    changed[i] ^= 1;
    cr_assert_not(
        verify_quote(good.tpm.public_key(), changed, signature, good.nonce, kAttestedPcrs).has_value());
  }
  const Body key = good.tpm.public_key();
  for (std::size_t size = 0; size < key.size(); ++size) {
    cr_assert_not(verify_quote(BodyView(key).first(size), quote, signature, good.nonce, kAttestedPcrs));
  }
  for (std::size_t size = 0; size < signature.size(); ++size) {
    cr_assert_not(verify_quote(key, quote, BodyView(signature).first(size), good.nonce, kAttestedPcrs));
  }
}

Test(attestation, the_nonce_of_an_activation_names_node_serial_and_hardware) {
  HardwareValue hardware{1};
  const Digest32 nonce = activation_nonce(7, 1, hardware);
  cr_assert(nonce == activation_nonce(7, 1, hardware));
  cr_assert(nonce != activation_nonce(8, 1, hardware));
  cr_assert(nonce != activation_nonce(7, 2, hardware));
  hardware[31] = 1;
  cr_assert(nonce != activation_nonce(7, 1, hardware));
}
