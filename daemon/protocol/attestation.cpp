#include "daemon/protocol/attestation.h"

#include <algorithm>

#include "daemon/base/cursor.h"
#include "daemon/crypto/digest.h"
#include "daemon/crypto/ecdsa.h"

namespace akm::protocol {
namespace {

// TPM 2.0 Library, part 2.
constexpr std::uint32_t kGenerated = 0xff544347;  // TPM_GENERATED_VALUE
constexpr std::uint16_t kAttestQuote = 0x8018;    // TPM_ST_ATTEST_QUOTE
constexpr std::uint16_t kSha256 = 0x000b;
constexpr std::uint16_t kNull = 0x0010;
constexpr std::uint16_t kEcdsa = 0x0018;
constexpr std::uint16_t kEcc = 0x0023;
constexpr std::uint16_t kP256 = 0x0003;
// TPMA_OBJECT: fixedTPM, fixedParent, sensitiveDataOrigin, restricted, sign; and decrypt, which must not be.
constexpr std::uint32_t kNeeded = 1U << 1 | 1U << 4 | 1U << 5 | 1U << 16 | 1U << 18;
constexpr std::uint32_t kDecrypt = 1U << 17;
constexpr std::size_t kSelections = 16;  // TPM2_NUM_PCR_BANKS

std::span<const std::uint8_t> sized(Reader& in) {
  const std::size_t size = in.u16();
  return in.bytes(size);
}

Result<crypto::P256PublicKey> parse_key(BodyView bytes) {
  Reader outer(bytes);
  Reader in(sized(outer));
  const bool types = in.u16() == kEcc && in.u16() == kSha256;
  const std::uint32_t attributes = in.u32();
  (void)sized(in);  // authPolicy
  const bool scheme = in.u16() == kNull && in.u16() == kEcdsa && in.u16() == kSha256;
  const bool curve = in.u16() == kP256 && in.u16() == kNull;
  crypto::P256PublicKey key{sized(in), {}};
  key.y = sized(in);
  if (!outer.done() || !in.done() || !types || !scheme || !curve)
    return fail(Errc::malformed, "no ECDSA P-256 key of a TPM");
  if ((attributes & kNeeded) != kNeeded || (attributes & kDecrypt) != 0)
    return fail(Errc::not_authentic, "the key may sign what the TPM has not made");
  return key;
}

Result<crypto::EcdsaSignature> parse_signature(BodyView bytes) {
  Reader in(bytes);
  const bool types = in.u16() == kEcdsa && in.u16() == kSha256;
  crypto::EcdsaSignature out{sized(in), {}};
  out.s = sized(in);
  if (!in.done() || !types) return fail(Errc::malformed, "no ECDSA signature of a TPM");
  return out;
}

/// Of the SHA-256 bank; selections of nothing in other banks are passed over.
bool selects(Reader& in, std::span<const std::uint8_t> wanted) {
  std::vector<std::uint8_t> selected;
  const std::uint32_t count = in.u32();
  if (count > kSelections) return false;
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    const std::uint16_t bank = in.u16();
    const std::size_t size = in.u8();
    const auto bitmap = in.bytes(size);
    for (std::size_t pcr = 0; pcr < bitmap.size() * 8; ++pcr) {
      if ((bitmap[pcr / 8] >> (pcr % 8) & 1) == 0) continue;
      if (bank != kSha256 || pcr > UINT8_MAX) return false;
      selected.push_back(static_cast<std::uint8_t>(pcr));
    }
  }
  return std::ranges::equal(selected, wanted);
}

}  // namespace

Result<QuotedState> verify_quote(BodyView key, BodyView quote, BodyView signature, BodyView nonce,
                                 std::span<const std::uint8_t> pcrs) {
  AKM_ASSIGN(const crypto::P256PublicKey signer, parse_key(key));
  AKM_ASSIGN(const crypto::EcdsaSignature signed_by, parse_signature(signature));
  // Nothing of the quote is looked at before.
  AKM_TRY(crypto::verify_p256_sha256(signer, quote, signed_by));
  return read_quote(quote, nonce, pcrs);
}

Result<QuotedState> read_quote(BodyView quote, BodyView nonce, std::span<const std::uint8_t> pcrs) {
  Reader in(quote);
  const bool is_quote = in.u32() == kGenerated && in.u16() == kAttestQuote;
  (void)sized(in);  // qualifiedSigner
  const bool fresh = std::ranges::equal(sized(in), nonce);
  QuotedState out;
  (void)in.u64();  // clock
  out.reset_count = in.u32();
  out.restart_count = in.u32();
  (void)in.u8();   // safe
  (void)in.u64();  // firmwareVersion
  if (!is_quote || !in.ok()) return fail(Errc::malformed, "no quote of a TPM");
  if (!fresh) return fail(Errc::not_authentic, "the quote is over another nonce");
  if (!selects(in, pcrs)) return fail(Errc::not_authentic, "the quote is over other PCRs");
  const auto digest = sized(in);
  if (!in.done() || digest.size() != out.pcr_digest.size()) return fail(Errc::malformed, "PCR digest");
  std::ranges::copy(digest, out.pcr_digest.begin());
  return out;
}

Digest32 activation_nonce(AsrId asr_id, std::uint32_t serial, const HardwareValue& hardware) {
  constexpr std::array<std::uint8_t, 14> kLabel{'a', 'k', 'm', '1', ' ', 'a', 'c',
                                                't', 'i', 'v', 'a', 't', 'e', 0};
  std::array<std::uint8_t, 12> numbers{};
  Writer writer(numbers);
  writer.u64(asr_id);
  writer.u32(serial);
  return crypto::sha256({kLabel, numbers, hardware});
}

}  // namespace akm::protocol
