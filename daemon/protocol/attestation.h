#pragma once
// Quotes of a TPM 2.0 as they travel in `activate` and `attest` (section 6), and what their receiver checks.
// Structures are those of the TPM 2.0 Library, part 2; only what our own attestation key makes is accepted:
// ECDSA on P-256 with SHA-256, PCRs of the SHA-256 bank.
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/protocol/asr.h"
#include "daemon/protocol/control_body.h"
#include "daemon/protocol/provisioning.h"

namespace akm::protocol {

/// PCRs that an NMM asks for, and that an activation quotes: firmware, its configuration, boot loader and
/// secure boot state (TCG PC Client Platform Firmware Profile, 3.3.4).
inline constexpr std::array<std::uint8_t, 8> kAttestedPcrs{0, 1, 2, 3, 4, 5, 6, 7};
inline constexpr std::size_t kAttestationNonceBytes = 32;

/// What the TPM's key says; fresh because the nonce is.
struct QuotedState {
  Digest32 pcr_digest{};  // SHA-256 of the selected PCRs by rising number
  std::uint32_t reset_count = 0;
  std::uint32_t restart_count = 0;
};

/// `key` is a TPM2B_PUBLIC, `quote` a TPMS_ATTEST, `signature` a TPMT_SIGNATURE. Checks that the key is a
/// restricted signing key that cannot leave its TPM, that it signed the quote, and that the quote is one,
/// over this nonce and these PCRs (by rising number). malformed, not_authentic.
Result<QuotedState> verify_quote(BodyView key, BodyView quote, BodyView signature, BodyView nonce,
                                 std::span<const std::uint8_t> pcrs);

/// The second half of it, of a quote whose signature has been verified.
Result<QuotedState> read_quote(BodyView quote, BodyView nonce, std::span<const std::uint8_t> pcrs);

/// What stands in the place of a nonce at activation, which nobody has asked for:
/// SHA-256("akm1 activate" || 0x00 || u64 asr_id || u32 serial || hardware value).
Digest32 activation_nonce(AsrId asr_id, std::uint32_t serial, const HardwareValue& hardware);

}  // namespace akm::protocol
