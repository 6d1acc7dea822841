// Whether a TPM opens it is tested in tests/unit/node/test_node_tpm.cpp.
#include "daemon/protocol/tpm_bundle.h"

#include <criterion/criterion.h>

#include <functional>

#include "tests/support/paper_identity.h"
#include "tests/support/seeded_random.h"

using namespace akm;
using namespace akm::protocol;
using akm::testing::PaperIdentity;

namespace {

BundleContent content() {
  BundleContent out;
  out.identity = {.asr_id = 5,
                  .nmm_id = 6,
                  .node_id = 7,
                  .serial = 3,
                  .suite = Suite::hkdf_sha256_aes256gcm,
                  .nmm_name = "nmm",
                  .node_name = "node",
                  .nmm_endpoints = {"192.0.2.1:7400"},
                  .policy = {}};
  out.use_id.fill(0x11);
  out.mask.fill(0x22);
  return out;
}

/// What seal_tpm_bundle draws first.
TpmSecrets secrets_of(std::uint64_t seed) {
  test::SeededRandom random(seed);
  TpmSecrets out;
  for (TpmSecret* secret : {&out.imported, &out.of_storage_key, &out.of_attestation_key})
    (void)random.fill(secret->reveal_mutable());
  return out;
}

struct Sealed {
  PaperIdentity paper;
  NodeIdentity identity = paper.make();
  CheckedIdentity checked = *check_identity(identity);
  std::vector<std::uint8_t> bytes;
  Sealed() {
    test::SeededRandom random(42);
    auto made = seal_tpm_bundle(content(), identity, checked, random);
    cr_assert(made.has_value(), "%s", made.has_value() ? "" : made.error().message().c_str());
    bytes = std::move(*made);
  }
};

}  // namespace

Test(tpm_bundle, opens_with_its_three_secrets) {
  const Sealed sealed;
  const auto envelope = TpmEnvelope::decode(sealed.bytes);
  cr_assert(envelope.has_value(), "%s", envelope.has_value() ? "" : envelope.error().message().c_str());
  cr_assert(envelope->hardware_value == sealed.identity.hardware_value);
  cr_assert(envelope->endorsement_key == sealed.checked.endorsement_key.name);
  const auto opened = open_tpm_bundle(*envelope, secrets_of(42));
  cr_assert(opened.has_value(), "%s", opened.has_value() ? "" : opened.error().message().c_str());
  cr_assert(*opened == content());
}

Test(tpm_bundle, each_secret_is_needed) {
  const Sealed sealed;
  const auto envelope = TpmEnvelope::decode(sealed.bytes);
  for (int which = 0; which < 3; ++which) {
    TpmSecrets secrets = secrets_of(42);
    TpmSecret& one = which == 0   ? secrets.imported
                     : which == 1 ? secrets.of_storage_key
                                  : secrets.of_attestation_key;
    one.reveal_mutable()[31] ^= 1;
    cr_assert_eq(open_tpm_bundle(*envelope, secrets).error().code, Errc::not_authentic, "%d", which);
  }
}

Test(tpm_bundle, no_byte_can_be_changed) {
  const Sealed sealed;
  for (std::size_t at = 0; at < sealed.bytes.size(); ++at) {
    auto changed = sealed.bytes;
    changed[at] ^= 0x01;
    const auto envelope = TpmEnvelope::decode(changed);
    if (!envelope) continue;
    cr_assert_eq(open_tpm_bundle(*envelope, secrets_of(42)).error().code, Errc::not_authentic, "%zu", at);
  }
}

Test(tpm_bundle, each_way_opens_its_own_form_only) {
  const Sealed sealed;
  cr_assert_eq(*bundle_kdf(sealed.bytes), "tpm2-import");
  const auto code = parse_code("ABCDE-FGHJK-MNPQR-STVWX");
  cr_assert_eq(open_bundle(sealed.bytes, *code).error().code, Errc::not_supported);
  cr_assert_eq(decode_direct_bundle(sealed.bytes).error().code, Errc::not_supported);
  test::SeededRandom random;
  const auto with_code = seal_bundle(content(), *code, random, {.n = 16384});
  cr_assert_eq(*bundle_kdf(*with_code), "scrypt");
  cr_assert_eq(TpmEnvelope::decode(*with_code).error().code, Errc::not_supported);
  cr_assert_eq(TpmEnvelope::decode(encode_direct_bundle(content())->reveal()).error().code,
               Errc::not_supported);
}

Test(tpm_bundle, a_file_is_bounded_and_closed) {
  const Sealed sealed;
  for (std::size_t size = 0; size < sealed.bytes.size(); ++size)
    cr_assert_not(TpmEnvelope::decode(std::span(sealed.bytes).first(size)).has_value(), "%zu", size);
  cr_assert_eq(bundle_kdf(std::vector<std::uint8_t>(kBundleBytes + 1)).error().code, Errc::too_large);
  TpmEnvelope envelope = *TpmEnvelope::decode(sealed.bytes);
  envelope.sealed.resize(crypto::kTagBytes - 1);
  cr_assert_eq(TpmEnvelope::decode(envelope.encode()).error().code, Errc::malformed);
  envelope = *TpmEnvelope::decode(sealed.bytes);
  envelope.import.seed.assign(641, 1);
  cr_assert_eq(TpmEnvelope::decode(envelope.encode()).error().code, Errc::malformed);
}
