#pragma once
// The form of kek.sealed, shared by the sealers. It is no secret; its checksum tells damage from another
// machine's blob.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/base/result.h"
#include "keyring/sealer.h"

namespace akm::keyring {

inline constexpr std::size_t kSealedBlobMaxBytes = 4096;
inline constexpr std::uint32_t kPcrCount = 24;
inline constexpr std::size_t kPcrValueBytes = 32;

/// u32 "AKMS", u8 version 1, u8 kind (1 TPM, 2 software, 3 token), u32 PCR mask, then each as u16 length and
/// bytes: parent, PCR values, public part, private part; then SHA-256 of all that. Integers are big-endian.
struct SealedBlob {
  SealerKind kind = SealerKind::tpm;
  /// Bit n: bound to PCR n (SHA-256 bank). 0 for software.
  std::uint32_t pcr_mask = 0;
  /// What it opens with. TPM: name of the parent key; software and token: identifier of the wrapping key.
  std::vector<std::uint8_t> parent;
  /// PCR values at sealing, by rising number: for saying which one differs, not for the check itself.
  std::vector<std::uint8_t> pcr_values;
  /// TPM: TPM2B_PUBLIC; software: nonce; token: nonce and check value.
  std::vector<std::uint8_t> public_part;
  /// TPM: TPM2B_PRIVATE; software and token: ciphertext and tag (none where the token itself keeps the key).
  std::vector<std::uint8_t> private_part;
};

/// too_large over kSealedBlobMaxBytes; invalid_argument when mask and values do not fit.
Result<std::vector<std::uint8_t>> encode_sealed_blob(const SealedBlob& blob);
/// Accepts exactly what encode_sealed_blob() makes. malformed, truncated, too_large, not_supported (version).
Result<SealedBlob> decode_sealed_blob(std::span<const std::uint8_t> bytes);

}  // namespace akm::keyring
