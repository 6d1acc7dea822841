#pragma once
// Sealing by the TPM: a KEYEDHASH object under the storage root key, never out of this TPM, outside
// dictionary-attack protection (noDA), so that no failure of ours can lock others out and none of theirs us.
#include <cstdint>
#include <string>
#include <vector>

#include "keyring/sealer.h"
#include "keyring/tpm_context.h"

namespace akm::keyring {

/// Storage root key where the machine's owner made it persistent (TCG provisioning guidance).
inline constexpr TPM2_HANDLE kStorageRootKeyHandle = 0x81000001;
/// Tries of PolicyPCR and Unseal while other PCRs move in between (IMA extends PCR 10 at any time).
inline constexpr int kPcrChangedTriesMax = 30;

struct TpmSealerOptions {
  /// SHA-256 bank, 0 to 23; empty: openable on this TPM whatever was booted.
  std::vector<std::uint32_t> pcrs;
  /// NV counter for next_incarnation(); defined at its first use.
  std::uint32_t nv_index = 0;
};

class TpmSealer final : public Sealer {
 public:
  /// Each operation opens its own connection and ends it.
  TpmSealer(TpmOpener opener, TpmSealerOptions options)
      : opener_(std::move(opener)), options_(std::move(options)) {}
  /// Connects once, to learn whether there is a TPM and which, for description(). tpm_failed.
  Status probe();

  [[nodiscard]] SealerKind kind() const override { return SealerKind::tpm; }
  [[nodiscard]] std::string description() const override;
  Result<std::vector<std::uint8_t>> seal(const StorageKey& key) override;
  Result<StorageKey> unseal(std::span<const std::uint8_t> blob) override;
  /// tpm_failed also when the index is there with other attributes: it is another program's then, and not
  /// touched.
  Result<std::uint32_t> next_incarnation() override;
  /// The NV counter, when it is ours. One that is defined after it begins above every number that it gave
  /// (TPM 2.0 Library, part 1, "NV counters").
  Result<std::vector<std::string>> erase() override;

 private:
  TpmOpener opener_;
  TpmSealerOptions options_;
  std::string description_ = "TPM 2.0 (not reached yet)";
};

}  // namespace akm::keyring
