#include "keyring/sealed_blob.h"

#include <criterion/criterion.h>

#include "daemon/crypto/digest.h"

using akm::Errc;
using akm::keyring::decode_sealed_blob;
using akm::keyring::encode_sealed_blob;
using akm::keyring::SealedBlob;
using akm::keyring::SealerKind;
using Bytes = std::vector<std::uint8_t>;

namespace {

SealedBlob sample() {
  SealedBlob blob;
  blob.kind = SealerKind::tpm;
  blob.pcr_mask = 1U << 7 | 1U << 11;
  blob.parent = Bytes(34, 1);
  blob.pcr_values = Bytes(64, 2);
  blob.public_part = Bytes(48, 3);
  blob.private_part = Bytes(100, 4);
  return blob;
}

// With a right checksum, so that the check behind it is reached.
Bytes resealed(Bytes bytes) {
  bytes.resize(bytes.size() - 32);
  const auto checksum = akm::crypto::sha256({bytes});
  bytes.insert(bytes.end(), checksum.begin(), checksum.end());
  return bytes;
}

}  // namespace

Test(sealed_blob, what_was_encoded_is_decoded) {
  const auto bytes = encode_sealed_blob(sample());
  cr_assert(bytes);
  cr_assert_eq(bytes->size(), 10 + 4 * 2 + 34 + 64 + 48 + 100 + 32);
  const auto blob = decode_sealed_blob(*bytes);
  cr_assert(blob);
  cr_assert(blob->kind == SealerKind::tpm);
  cr_assert_eq(blob->pcr_mask, sample().pcr_mask);
  cr_assert(blob->parent == sample().parent);
  cr_assert(blob->pcr_values == sample().pcr_values);
  cr_assert(blob->public_part == sample().public_part);
  cr_assert(blob->private_part == sample().private_part);
  cr_assert(*encode_sealed_blob(*blob) == *bytes, "one form only");
}

Test(sealed_blob, the_form_is_fixed) {
  SealedBlob blob;
  blob.kind = SealerKind::software;
  blob.parent = {9};
  const auto bytes = encode_sealed_blob(blob);
  cr_assert(bytes);
  const Bytes start{'A', 'K', 'M', 'S', 1, 2, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 0, 0, 0};
  cr_assert(std::equal(start.begin(), start.end(), bytes->begin()));
  cr_assert_eq(bytes->size(), start.size() + 32);
}

Test(sealed_blob, what_a_policy_needs_makes_it_version_2) {
  SealedBlob blob = sample();
  blob.endorsement = Bytes(34, 5);
  blob.policy_key = Bytes(90, 6);
  blob.authorised = {{Bytes(64, 7), Bytes(70, 8)}, {Bytes(64, 9), Bytes(70, 1)}};
  const Bytes bytes = *encode_sealed_blob(blob);
  cr_assert_eq(bytes[4], 2);
  const auto decoded = decode_sealed_blob(bytes);
  cr_assert(decoded);
  cr_assert(decoded->endorsement == blob.endorsement && decoded->policy_key == blob.policy_key);
  cr_assert_eq(decoded->authorised.size(), 2);
  cr_assert(decoded->authorised[1].values == blob.authorised[1].values);
  cr_assert(decoded->authorised[1].signature == blob.authorised[1].signature);
  cr_assert(*encode_sealed_blob(*decoded) == bytes);
  for (std::size_t at = 0; at < bytes.size(); ++at)
    cr_assert(!decode_sealed_blob(std::span(bytes).first(at)));
  Bytes older = bytes;
  older[4] = 1;
  cr_assert(!decode_sealed_blob(resealed(older)));
  blob.authorised[0].values.pop_back();
  cr_assert(encode_sealed_blob(blob).error().code == Errc::invalid_argument);
  blob.authorised.assign(5, {Bytes(64, 7), Bytes(70, 8)});
  cr_assert(!encode_sealed_blob(blob));
  blob.authorised.resize(1);
  blob.policy_key.clear();
  cr_assert(!encode_sealed_blob(blob), "nobody could have signed it");
}

Test(sealed_blob, every_changed_octet_and_every_cut_is_refused) {
  const auto bytes = encode_sealed_blob(sample());
  for (std::size_t at = 0; at < bytes->size(); ++at) {
    Bytes changed = *bytes;
    changed[at] ^= 0x10;
    cr_assert(!decode_sealed_blob(changed), "octet %zu", at);
    cr_assert(!decode_sealed_blob(std::span(*bytes).first(at)), "cut at %zu", at);
  }
  Bytes longer = *bytes;
  longer.push_back(0);
  cr_assert(!decode_sealed_blob(longer));
}

Test(sealed_blob, a_right_checksum_does_not_make_it_right) {
  const Bytes good = *encode_sealed_blob(sample());
  Bytes version = good;
  version[4] = 3;
  cr_assert(decode_sealed_blob(resealed(version)).error().code == Errc::newer_version);
  Bytes kind = good;
  kind[5] = 4;
  cr_assert(decode_sealed_blob(resealed(kind)).error().code == Errc::malformed);
  Bytes mask = good;
  mask[9] ^= 1;  // one PCR more than there are values
  cr_assert(decode_sealed_blob(resealed(mask)).error().code == Errc::malformed);
  Bytes high = good;
  high[6] = 1;  // PCR 24
  cr_assert(!decode_sealed_blob(resealed(high)));
  Bytes length = good;
  length[11] = 35;
  cr_assert(decode_sealed_blob(resealed(length)).error().code == Errc::malformed);
  Bytes past_the_end = good;
  past_the_end[10] = 0xFF;
  cr_assert(decode_sealed_blob(resealed(past_the_end)).error().code == Errc::malformed);
  Bytes trailing = good;
  trailing.insert(trailing.end() - 32, 0);
  cr_assert(decode_sealed_blob(resealed(trailing)).error().code == Errc::malformed);
}

Test(sealed_blob, limits) {
  SealedBlob blob = sample();
  blob.private_part = Bytes(akm::keyring::kSealedBlobMaxBytes, 0);
  cr_assert(encode_sealed_blob(blob).error().code == Errc::too_large);
  blob.private_part = Bytes(70000, 0);
  cr_assert(encode_sealed_blob(blob).error().code == Errc::too_large);
  blob = sample();
  blob.pcr_values.pop_back();
  cr_assert(encode_sealed_blob(blob).error().code == Errc::invalid_argument);
  cr_assert(decode_sealed_blob(Bytes(akm::keyring::kSealedBlobMaxBytes + 1, 0)).error().code ==
            Errc::too_large);
  cr_assert(decode_sealed_blob({}).error().code == Errc::truncated);
}
