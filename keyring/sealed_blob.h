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

inline constexpr std::size_t kSealedBlobMaxBytes = 8192;
inline constexpr std::uint32_t kPcrCount = 24;
inline constexpr std::size_t kPcrValueBytes = 32;

/// Sets of PCR values that an operator's key has signed for one sealed key: what will boot next, and before.
inline constexpr std::size_t kAuthorisedMax = 4;
inline constexpr std::size_t kSignatureMaxBytes = 128;

/// PCR values that open the sealed key beside those of its sealing, signed by the policy key.
struct AuthorisedPcrs {
  std::vector<std::uint8_t> values;     // as pcr_values, of the same PCRs
  std::vector<std::uint8_t> signature;  // TPMT_SIGNATURE
};

/// u32 "AKMS", u8 version, u8 kind (1 TPM, 2 software), u32 PCR mask, then each as u16 length and bytes:
/// parent, PCR values, public part, private part; in version 2, which a blob with any of these has, also
/// endorsement, policy key, and after a u8 count the values and signature of each authorised set; then
/// SHA-256 of all that. Integers are big-endian.
struct SealedBlob {
  SealerKind kind = SealerKind::tpm;
  /// Bit n: bound to PCR n (SHA-256 bank). 0 for software.
  std::uint32_t pcr_mask = 0;
  /// What it opens with. TPM: name of the parent key; software: identifier of the wrapping key.
  std::vector<std::uint8_t> parent;
  /// PCR values at sealing, by rising number. The check itself is the TPM's.
  std::vector<std::uint8_t> pcr_values;
  /// TPM: TPM2B_PUBLIC; software: nonce.
  std::vector<std::uint8_t> public_part;
  /// TPM: TPM2B_PRIVATE; software: ciphertext and tag.
  std::vector<std::uint8_t> private_part;
  /// Name of the TPM's endorsement key: tells another TPM from one that was cleared.
  std::vector<std::uint8_t> endorsement;
  /// TPM2B_PUBLIC of the key whose signatures authorise further PCR values; empty: none does.
  std::vector<std::uint8_t> policy_key;
  std::vector<AuthorisedPcrs> authorised;
};

/// too_large over kSealedBlobMaxBytes; invalid_argument when mask and values do not fit.
Result<std::vector<std::uint8_t>> encode_sealed_blob(const SealedBlob& blob);
/// Accepts exactly what encode_sealed_blob() makes. malformed, truncated, too_large, not_supported (version).
Result<SealedBlob> decode_sealed_blob(std::span<const std::uint8_t> bytes);

}  // namespace akm::keyring
