#pragma once
// Quotes by the TPM: a restricted signing key signs the PCRs of the moment over a nonce of whoever asks
// (docs/protocol.md, section 6, attest).
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "keyring/tpm_context.h"

namespace akm::keyring {

/// Where the kernel shows the firmware's event log of the first TPM.
inline constexpr const char* kEventLog = "/sys/kernel/security/tpm0/binary_bios_measurements";
inline constexpr std::size_t kEventLogMaxBytes = std::size_t{16} << 20;
inline constexpr std::size_t kQuoteNonceMaxBytes = 64;

struct TpmQuote {
  std::vector<std::uint8_t> quote;      // TPMS_ATTEST
  std::vector<std::uint8_t> signature;  // TPMT_SIGNATURE
  std::vector<std::uint8_t> key;        // TPM2B_PUBLIC of the attestation key
  std::array<std::uint8_t, 32> log{};   // SHA-256 of the event log; zeros where there is none
};

/// Bit n of the mask: PCR n of the SHA-256 bank, 0 to 23. Blocking: for the thread aside.
using Quoter = std::function<Result<TpmQuote>(std::span<const std::uint8_t> nonce, std::uint32_t pcr_mask)>;

class TpmAttestor {
 public:
  /// Each quote opens its own connection and ends it.
  explicit TpmAttestor(TpmOpener opener, std::string event_log = kEventLog)
      : opener_(std::move(opener)), event_log_(std::move(event_log)) {}

  /// The attestation key is made anew from its template, in the owner's hierarchy, where the storage root key
  /// is: the same key as long as the TPM is not cleared. invalid_argument for a nonce above
  /// kQuoteNonceMaxBytes or a PCR above 23, tpm_failed, too_large (event log).
  [[nodiscard]] Result<TpmQuote> quote(std::span<const std::uint8_t> nonce, std::uint32_t pcr_mask) const;

 private:
  TpmOpener opener_;
  std::string event_log_;
};

/// True where there is a TPM: its device exists, or somebody configured another way to it. Empty is
/// kDefaultTcti.
bool tpm_is_expected(const std::string& tcti);
/// Null where no TPM is expected.
Quoter tpm_quoter(const std::string& tcti);

}  // namespace akm::keyring
