#include "daemon/protocol/tpm_wrapping.h"

#include "daemon/base/cursor.h"
#include "daemon/crypto/digest.h"

namespace akm::protocol {
namespace {

constexpr std::uint16_t kKeyedHash = 0x0008;
constexpr std::uint16_t kSha256 = 0x000b;
constexpr std::uint16_t kNull = 0x0010;
// userWithAuth and noDA: opened with its empty authorisation. Not fixedTPM and fixedParent, which an imported
// object cannot have; with an empty policy it cannot be duplicated again.
constexpr std::uint32_t kAttributes = 1U << 6 | 1U << 10;
constexpr std::size_t kDigest = 32;

/// TPM2B_DIGEST.
SecretBuffer sized(const TpmSecret& secret) {
  SecretBuffer out(2 + kTpmSecretBytes);
  Writer writer(out.reveal_mutable());
  writer.u16(kTpmSecretBytes);
  writer.bytes(secret.reveal());
  return out;
}

/// TPM2B_PUBLIC of the object; `unique` binds it to its content (part 1, sealed data objects).
Body public_area(const crypto::Sha256Digest& unique) {
  constexpr std::size_t kArea = 2 + 2 + 4 + 2 + 2 + 2 + kDigest;
  Body out(2 + kArea);
  Writer writer(out);
  writer.u16(kArea);
  writer.u16(kKeyedHash);
  writer.u16(kSha256);
  writer.u32(kAttributes);
  writer.u16(0);  // authPolicy
  writer.u16(kNull);
  writer.u16(kDigest);
  writer.bytes(unique);
  return out;
}

/// TPM2B_SENSITIVE.
SecretBuffer sensitive_area(const TpmSecret& secret, const TpmSecret& obfuscation) {
  constexpr std::size_t kArea = 2 + 2 + 2 + kTpmSecretBytes + 2 + kTpmSecretBytes;
  SecretBuffer out(2 + kArea);
  Writer writer(out.reveal_mutable());
  writer.u16(kArea);
  writer.u16(kKeyedHash);
  writer.u16(0);  // authValue
  writer.u16(kTpmSecretBytes);
  writer.bytes(obfuscation.reveal());
  writer.u16(kTpmSecretBytes);
  writer.bytes(secret.reveal());
  return out;
}

Body with_size(const std::vector<std::uint8_t>& bytes) {
  Body out(2 + bytes.size());
  Writer writer(out);
  writer.u16(static_cast<std::uint16_t>(bytes.size()));
  writer.bytes(bytes);
  return out;
}

}  // namespace

Result<Body> make_credential(const TpmStorageKey& endorsement_key, const TpmName& name,
                             const TpmSecret& secret, RandomSource& random) {
  AKM_ASSIGN(const crypto::SharedSeed shared,
             crypto::share_seed(endorsement_key.key, crypto::SeedUse::identity, random));
  AKM_ASSIGN(const auto wrapped, crypto::outer_wrap(shared.seed, name, sized(secret)));
  Body out = with_size(wrapped);
  out.insert(out.end(), shared.encrypted.begin(), shared.encrypted.end());
  return out;
}

Result<Duplicate> make_duplicate(const TpmStorageKey& parent, const TpmSecret& secret, RandomSource& random) {
  TpmSecret obfuscation;
  AKM_TRY(random.fill(obfuscation.reveal_mutable()));
  Duplicate out;
  out.object = public_area(crypto::sha256({obfuscation.reveal(), secret.reveal()}));
  AKM_ASSIGN(const TpmName name, tpm_name(out.object));
  AKM_ASSIGN(crypto::SharedSeed shared, crypto::share_seed(parent.key, crypto::SeedUse::duplicate, random));
  AKM_ASSIGN(const auto wrapped, crypto::outer_wrap(shared.seed, name, sensitive_area(secret, obfuscation)));
  out.duplicate = with_size(wrapped);
  out.seed = std::move(shared.encrypted);
  return out;
}

}  // namespace akm::protocol
