#pragma once
// Sealing by the TPM: a KEYEDHASH object under the storage root key, never out of this TPM, outside
// dictionary-attack protection (noDA), so that no failure of ours can lock others out and none of theirs us.
#include <cstdint>
#include <string>
#include <vector>

#include "keyring/sealed_blob.h"
#include "keyring/sealer.h"
#include "keyring/storage_root.h"
#include "keyring/tpm_context.h"

namespace akm::keyring {

/// Tries of PolicyPCR and Unseal while other PCRs move in between (IMA extends PCR 10 at any time).
inline constexpr int kPcrChangedTriesMax = 30;

struct TpmSealerOptions {
  /// NV counter for next_incarnation(); defined at its first use.
  std::uint32_t nv_index = 0;
};

/// What a key is sealed to beside the TPM.
struct PcrBinding {
  std::uint32_t mask = 0;                // SHA-256 bank, bit n for PCR n
  std::vector<std::uint8_t> policy_key;  // TPM2B_PUBLIC; empty: nobody authorises further values
};

class TpmSealer final : public Sealer {
 public:
  /// Each operation opens its own connection and ends it.
  TpmSealer(TpmOpener opener, TpmSealerOptions options) : opener_(std::move(opener)), options_(options) {}
  /// Connects once, to learn whether there is a TPM and which, for description(). tpm_failed.
  Status probe();

  [[nodiscard]] SealerKind kind() const override { return SealerKind::tpm; }
  [[nodiscard]] std::string description() const override;
  /// To this TPM, whatever was booted.
  Result<std::vector<std::uint8_t>> seal(const StorageKey& key) override;
  /// Names the PCR that differs. Where the policy key has authorised the present values, they open.
  Result<StorageKey> unseal(std::span<const std::uint8_t> bytes) override;
  /// Under the pinned storage root key once something was sealed or unsealed.
  Result<std::uint32_t> next_incarnation() override;
  /// The NV counter, when it is ours. One that is defined after it begins above every number that it gave
  /// (TPM 2.0 Library, part 1, "NV counters").
  Result<std::vector<std::string>> erase(std::span<const std::uint8_t> blob) override;

  /// To the present values of these PCRs, with the operator's secret as the other way in; returns only after
  /// the key was opened by either way. invalid_argument (a PCR into which nothing was measured, a short
  /// secret), tpm_failed.
  Result<std::vector<std::uint8_t>> seal_to_pcrs(const StorageKey& key, const PcrBinding& binding,
                                                 std::span<const std::uint8_t> recovery);
  /// Opens by the operator's secret, whatever the PCRs. not_authentic (another secret), wrong_state (not
  /// sealed to PCRs), sealed_unavailable.
  Result<StorageKey> recover(std::span<const std::uint8_t> bytes, std::span<const std::uint8_t> recovery);
  /// The blob with `values` among those that open it; the oldest gives way. `signature`: DER, of the policy
  /// key over bytes_to_sign(). not_authentic, wrong_state (no policy key), invalid_argument, malformed,
  /// tpm_failed.
  Result<std::vector<std::uint8_t>> authorise(std::span<const std::uint8_t> bytes,
                                              std::span<const std::uint8_t> values,
                                              std::span<const std::uint8_t> signature);
  /// Present values of the PCRs, by rising number. tpm_failed.
  [[nodiscard]] Result<std::vector<std::uint8_t>> present_pcrs(std::uint32_t mask) const;

 private:
  void pin(const SealedBlob& blob) { pinned_ = {blob.parent, blob.endorsement}; }

  TpmOpener opener_;
  TpmSealerOptions options_;
  PinnedRoot pinned_;
  std::string description_ = "TPM 2.0 (not reached yet)";
};

}  // namespace akm::keyring
