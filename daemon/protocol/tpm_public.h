#pragma once
// Public areas of a TPM's keys (TPM2B_PUBLIC; TPM 2.0 Library, part 2), as a node shows them (section 7).
// Only what our own templates make is taken.
#include <array>
#include <cstdint>
#include <span>

#include "daemon/base/result.h"
#include "daemon/crypto/tpm_wrap.h"
#include "daemon/protocol/control_body.h"

namespace akm::protocol {

inline constexpr std::size_t kTpmPublicBytes = 512;
/// Name algorithm SHA-256, then the digest of the public area.
using TpmName = std::array<std::uint8_t, 34>;

/// A restricted decryption key. `key` borrows from what was parsed.
struct TpmStorageKey {
  crypto::TpmKey key;
  TpmName name{};
};
/// An endorsement key as its standard template makes it (TCG EK Credential Profile, L-1 or L-2): made by the
/// TPM, never out of it, restricted to decryption, under the policy of the endorsement hierarchy. malformed,
/// not_authentic when its attributes are others.
Result<TpmStorageKey> parse_endorsement_key(BodyView area);
/// A key under which objects can be imported: made by the TPM, never out of it, restricted to decryption.
Result<TpmStorageKey> parse_storage_key(BodyView area);
/// Of any object whose name algorithm is SHA-256. malformed.
Result<TpmName> tpm_name(BodyView area);

}  // namespace akm::protocol
