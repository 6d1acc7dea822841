// Keys sealed to PCRs, on a real software TPM: what opens them, what does not, and what is said.
#include "keyring/unseal_policy.h"

#include <algorithm>

#include "daemon/base/hex.h"
#include "keyring/policy_key.h"
#include "keyring/tpm_policy.h"
#include "keyring/tpm_sealer.h"
#include "tests/support/faulty_tcti.h"
#include "tests/support/tpm_bench.h"

using namespace akm;
using namespace akm::keyring;
using namespace akm::test;

namespace {

constexpr std::uint32_t kMask = 1U << 7 | 1U << 16;
using Bytes = std::vector<std::uint8_t>;

Bytes secret(std::string_view text = "correct horse battery") {
  return {text.begin(), text.end()};
}

TpmSealer sealer_at(const SwTpm& tpm) {
  return {tpm_opener(tpm.tcti()), TpmSealerOptions{kCounterIndex}};
}

std::unique_ptr<SwTpm> measured_tpm() {
  auto tpm = software_tpm();
  extend_pcr(*tpm, ESYS_TR_PCR7);
  extend_pcr(*tpm, ESYS_TR_PCR16);
  return tpm;
}

Bytes sealed(const SwTpm& tpm, Bytes policy_key = {}) {
  const auto blob = sealer_at(tpm).seal_to_pcrs(key_of(1), {kMask, std::move(policy_key)}, secret());
  cr_assert(blob, "%s", blob ? "" : blob.error().message().c_str());
  return *blob;
}

}  // namespace

Test(unseal_policy, a_changed_pcr_is_named_with_both_values_and_does_not_count_towards_lockout) {
  const auto tpm = measured_tpm();
  const Bytes blob = sealed(*tpm);
  TpmSealer sealer = sealer_at(*tpm);
  cr_assert(*sealer.unseal(blob) == key_of(1));
  const std::string before = hex(*sealer.present_pcrs(1U << 7));
  extend_pcr(*tpm, ESYS_TR_PCR7);
  const std::string after = hex(*sealer.present_pcrs(1U << 7));
  for (int attempt = 0; attempt < 5; ++attempt) {
    const auto refused = sealer.unseal(blob);
    cr_assert(!refused);
    cr_assert(refused.error().code == Errc::sealed_unavailable);
    cr_assert(refused.error().detail.starts_with("PCR 7 is " + after + " and was " + before), "%s",
              refused.error().detail.c_str());
    cr_assert(refused.error().detail.contains("akmctl node recover") &&
              !refused.error().detail.contains("PCR 16"));
  }
  cr_assert_eq(lockout_counter(*tpm), 0);
  cr_assert_eq(handles_left(*tpm), 0);
  tpm->restart();
  extend_pcr(*tpm, ESYS_TR_PCR7);
  extend_pcr(*tpm, ESYS_TR_PCR16);
  cr_assert(*sealer.unseal(blob) == key_of(1), "the values of the last boot are back");
}

Test(unseal_policy, the_recovery_secret_opens_whatever_the_pcrs_and_no_other_does) {
  const auto tpm = measured_tpm();
  const Bytes blob = sealed(*tpm);
  TpmSealer sealer = sealer_at(*tpm);
  extend_pcr(*tpm, ESYS_TR_PCR7);
  cr_assert(*sealer.recover(blob, secret()) == key_of(1));
  cr_assert(sealer.recover(blob, secret("correct horse batterz")).error().code == Errc::not_authentic);
  cr_assert(sealer.recover(blob, secret("short")).error().code == Errc::invalid_argument);
  cr_assert(sealer.recover(blob, Bytes(257, 'a')).error().code == Errc::invalid_argument);
  cr_assert_eq(lockout_counter(*tpm), 0);
  cr_assert(sealer.recover(*sealer.seal(key_of(2)), secret()).error().code == Errc::wrong_state);
  // And the key goes to the present values.
  const auto anew = sealer.seal_to_pcrs(*sealer.recover(blob, secret()), {kMask, {}}, secret());
  cr_assert(anew);
  cr_assert(*sealer.unseal(*anew) == key_of(1));
  cr_assert_eq(handles_left(*tpm), 0);
}

// If the recovery way did not work, nothing may be sealed to PCRs.
Test(unseal_policy, sealing_fails_when_the_recovery_way_does_not_open) {
  const auto tpm = measured_tpm();
  int unseals = 0;
  TpmSealer sealer(faulty_opener(tpm->tcti(),
                                 [&](TPM2_CC code) -> std::optional<TpmFault> {
                                   if (code != TPM2_CC_Unseal || ++unseals > 1) return std::nullopt;
                                   return TpmFault{.kind = TpmFault::Kind::respond,
                                                   .response = TPM2_RC_POLICY_FAIL};
                                 }),
                   {kCounterIndex});
  cr_assert(!sealer.seal_to_pcrs(key_of(1), {kMask, {}}, secret()));
  cr_assert_eq(unseals, 1);
}

Test(unseal_policy, pcrs_of_which_nothing_was_measured_are_refused) {
  const auto tpm = software_tpm();
  extend_pcr(*tpm, ESYS_TR_PCR7);
  for (const std::uint32_t unused : {16U, 17U}) {  // zeros, ones
    const auto refused = sealer_at(*tpm).seal_to_pcrs(key_of(1), {1U << 7 | 1U << unused, {}}, secret());
    cr_assert(!refused);
    cr_assert(refused.error().detail.contains("PCR " + std::to_string(unused)), "%s",
              refused.error().detail.c_str());
  }
}

Test(unseal_policy, the_policy_cannot_be_gone_around) {
  const auto tpm = measured_tpm();
  const auto blob = *decode_sealed_blob(sealed(*tpm));
  // The same object, told to be without policy.
  auto plain = blob;
  plain.pcr_mask = 0;
  plain.pcr_values.clear();
  cr_assert(!sealer_at(*tpm).unseal(*encode_sealed_blob(plain)));
  // Other values, or a policy key of somebody else, written into the file: found out before anything is said.
  auto lies = blob;
  lies.pcr_values[3] ^= 1;
  const auto refused = sealer_at(*tpm).unseal(*encode_sealed_blob(lies));
  cr_assert(refused.error().detail.contains("the file was changed"), "%s", refused.error().detail.c_str());
  auto stranger = blob;
  const SigningKey key;
  stranger.policy_key = *policy_key_of_pem(key.pem());
  cr_assert(sealer_at(*tpm).unseal(*encode_sealed_blob(stranger)).error().detail.contains("changed"));
}

Test(unseal_policy, values_that_the_policy_key_has_signed_open_after_an_update) {
  const auto tpm = measured_tpm();
  const SigningKey key;
  Bytes blob = sealed(*tpm, *policy_key_of_pem(key.pem()));
  TpmSealer sealer = sealer_at(*tpm);
  const Bytes old = *sealer.present_pcrs(kMask);
  // What the next boot will measure is known: here by doing it.
  extend_pcr(*tpm, ESYS_TR_PCR7);
  const Bytes next = *sealer.present_pcrs(kMask);
  cr_assert(sealer.unseal(blob).error().detail.contains("policy key"));
  const auto signature = key.sign(bytes_to_sign(kMask, next));
  cr_assert(sealer.authorise(blob, next, SigningKey().sign(bytes_to_sign(kMask, next))).error().code ==
            Errc::not_authentic);
  cr_assert(sealer.authorise(blob, old, signature).error().code == Errc::not_authentic, "of other values");
  cr_assert(sealer.authorise(blob, Bytes(32, 1), signature).error().code == Errc::invalid_argument);
  const auto authorised = sealer.authorise(blob, next, signature);
  cr_assert(authorised, "%s", authorised ? "" : authorised.error().message().c_str());
  const auto opened = sealer.unseal(*authorised);
  cr_assert(opened, "%s", opened ? "" : opened.error().message().c_str());
  cr_assert(*opened == key_of(1));
  cr_assert(*sealer.recover(*authorised, secret()) == key_of(1));
  // An entry that somebody put into the file is no authorisation.
  auto forged = *decode_sealed_blob(*authorised);
  extend_pcr(*tpm, ESYS_TR_PCR7);
  forged.authorised[0].values = *sealer.present_pcrs(kMask);
  cr_assert(!sealer.unseal(*encode_sealed_blob(forged)));
  // The list is bounded, and the oldest gives way.
  blob = *authorised;
  for (std::size_t i = 0; i < kAuthorisedMax; ++i) {
    const Bytes values(64, static_cast<std::uint8_t>(i + 1));
    blob = *sealer.authorise(blob, values, key.sign(bytes_to_sign(kMask, values)));
  }
  cr_assert_eq(decode_sealed_blob(blob)->authorised.size(), kAuthorisedMax);
  cr_assert(std::ranges::none_of(decode_sealed_blob(blob)->authorised,
                                 [&](const AuthorisedPcrs& one) { return one.values == next; }));
  cr_assert_eq(handles_left(*tpm), 0);
  cr_assert(sealer.authorise(sealed(*tpm), next, signature).error().code == Errc::wrong_state);
}

Test(unseal_policy, pcr_changed_is_tried_again_and_bounded) {
  const auto tpm = measured_tpm();
  const Bytes blob = sealed(*tpm);
  int left = 3;
  int unseals = 0;
  const auto plan = [&](TPM2_CC code) -> std::optional<TpmFault> {
    if (code != TPM2_CC_Unseal) return std::nullopt;
    ++unseals;
    if (left == 0) return std::nullopt;
    --left;
    return TpmFault{TpmFault::Kind::respond, TPM2_RC_PCR_CHANGED};
  };
  TpmSealer sealer(faulty_opener(tpm->tcti(), plan), {kCounterIndex});
  const auto opened = sealer.unseal(blob);
  cr_assert(opened, "%s", opened ? "" : opened.error().message().c_str());
  cr_assert_eq(unseals, 4);
  left = 1000;
  unseals = 0;
  const auto never = sealer.unseal(blob);
  cr_assert(!never);
  cr_assert(never.error().code == Errc::sealed_unavailable);
  cr_assert_eq(unseals, kPcrChangedTriesMax);
}
