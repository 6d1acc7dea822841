#include "daemon/protocol/tpm_public.h"

#include <algorithm>

#include "daemon/base/cursor.h"
#include "daemon/crypto/digest.h"

namespace akm::protocol {
namespace {

// TPM 2.0 Library, part 2.
constexpr std::uint16_t kRsa = 0x0001;
constexpr std::uint16_t kAes = 0x0006;
constexpr std::uint16_t kSha256 = 0x000b;
constexpr std::uint16_t kNull = 0x0010;
constexpr std::uint16_t kEcc = 0x0023;
constexpr std::uint16_t kCfb = 0x0043;
constexpr std::uint16_t kP256 = 0x0003;
constexpr std::uint16_t kAesBits = 128;
constexpr std::uint16_t kRsaBits = 2048;
constexpr std::uint32_t kExponent = 65537;  // also said by 0

// TPMA_OBJECT.
constexpr std::uint32_t kFixedTpm = 1U << 1;
constexpr std::uint32_t kFixedParent = 1U << 4;
constexpr std::uint32_t kSensitiveDataOrigin = 1U << 5;
constexpr std::uint32_t kUserWithAuth = 1U << 6;
constexpr std::uint32_t kAdminWithPolicy = 1U << 7;
constexpr std::uint32_t kNoDa = 1U << 10;
constexpr std::uint32_t kRestricted = 1U << 16;
constexpr std::uint32_t kDecrypt = 1U << 17;
constexpr std::uint32_t kOwnDecryption =
    kFixedTpm | kFixedParent | kSensitiveDataOrigin | kRestricted | kDecrypt;
constexpr std::uint32_t kEndorsement = kOwnDecryption | kAdminWithPolicy;
constexpr std::uint32_t kStorage = kOwnDecryption | kUserWithAuth;

// PolicyA of the profile: PolicySecret(TPM_RH_ENDORSEMENT).
constexpr std::array<std::uint8_t, 32> kPolicyA = {
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xB3, 0xF8, 0x1A, 0x90, 0xCC, 0x8D, 0x46, 0xA5, 0xD7, 0x24,
    0xFD, 0x52, 0xD7, 0x6E, 0x06, 0x52, 0x0B, 0x64, 0xF2, 0xA1, 0xDA, 0x1B, 0x33, 0x14, 0x69, 0xAA};

struct Area {
  std::uint32_t attributes = 0;
  std::span<const std::uint8_t> policy;
  TpmStorageKey key;
};

std::span<const std::uint8_t> sized(Reader& in) {
  const std::size_t size = in.u16();
  return in.bytes(size);
}

/// The parameters of a storage key: AES-128-CFB and no scheme; then those of its type, and the key.
bool read_key(Reader& in, std::uint16_t type, crypto::TpmKey& key) {
  if (in.u16() != kAes || in.u16() != kAesBits || in.u16() != kCfb || in.u16() != kNull) return false;
  if (type == kEcc) {
    if (in.u16() != kP256 || in.u16() != kNull) return false;
    key.point.x = sized(in);
    key.point.y = sized(in);
    return !key.point.x.empty() && !key.point.y.empty();
  }
  if (in.u16() != kRsaBits) return false;
  const std::uint32_t exponent = in.u32();
  key.modulus = sized(in);
  return (exponent == 0 || exponent == kExponent) && key.modulus.size() == crypto::kRsaBytes;
}

Result<Area> parse(BodyView bytes) {
  Area out;
  AKM_ASSIGN(out.key.name, tpm_name(bytes));
  Reader in(bytes.subspan(2));
  const std::uint16_t type = in.u16();
  (void)in.u16();  // the name algorithm, which tpm_name has looked at
  out.attributes = in.u32();
  out.policy = sized(in);
  if ((type != kEcc && type != kRsa) || !read_key(in, type, out.key.key) || !in.done())
    return fail(Errc::malformed, "no P-256 or RSA 2048 storage key of a TPM");
  return out;
}

}  // namespace

Result<TpmName> tpm_name(BodyView area) {
  Reader outer(area);
  const auto inner = sized(outer);
  Reader in(inner);
  (void)in.u16();
  if (area.size() > kTpmPublicBytes || in.u16() != kSha256 || !in.ok() || !outer.done())
    return fail(Errc::malformed, "no public area of a TPM with SHA-256 names");
  TpmName name{0x00, 0x0b};
  std::ranges::copy(crypto::sha256({inner}), name.begin() + 2);
  return name;
}

Result<TpmStorageKey> parse_endorsement_key(BodyView area) {
  AKM_ASSIGN(const Area parsed, parse(area));
  if (parsed.attributes != kEndorsement || !std::ranges::equal(parsed.policy, kPolicyA))
    return fail(Errc::not_authentic, "the endorsement key is not of the standard template");
  return parsed.key;
}

Result<TpmStorageKey> parse_storage_key(BodyView area) {
  AKM_ASSIGN(const Area parsed, parse(area));
  if ((parsed.attributes & ~kNoDa) != kStorage || !parsed.policy.empty())
    return fail(Errc::not_authentic, "the storage key can leave the TPM, or was not made by it");
  return parsed.key;
}

}  // namespace akm::protocol
