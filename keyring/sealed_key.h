#pragma once
// Changes to kek.sealed while there is one: sealed anew, recovered, further PCR values authorised. The old
// file stays until the new one is whole and was opened; then it is overwritten, for it opens without what the
// new one asks for.
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "keyring/tpm_sealer.h"

namespace akm::keyring {

/// What kek.sealed says, without opening it. not_found, malformed, storage_failed.
Result<SealedBlob> stored_blob(const std::string& folder);

/// The other name of a kek.sealed that is being replaced: what a crash leaves of it can be found.
inline constexpr const char* kReplacedKeyFile = "kek.replaced";
/// Overwrites and removes it, once the new one is durable. storage_failed.
Status erase_replaced(const std::string& folder);

/// Held while kek.sealed is written or erased, by whichever thread: what was erased while a TPM took its time
/// must not come back. Waits for who has it, which is never longer than a file takes. storage_failed.
Result<UniqueFd> lock_sealed_key(const std::string& folder);

class SealedKey {
 public:
  /// Called with the open key before the file is replaced; where it fails, nothing is.
  using BeforeReplacing = std::function<Status(const StorageKey&)>;
  /// Blocking, as the sealer is.
  SealedKey(TpmSealer& sealer, std::string folder, BeforeReplacing before = {})
      : sealer_(sealer), folder_(std::move(folder)), before_(std::move(before)) {}

  /// The key to PCRs, or with an empty mask to the TPM alone. Opened the ordinary way. As
  /// TpmSealer::seal_to_pcrs(), and storage_failed; not_supported when the key is not sealed by a TPM.
  Status reseal(const PcrBinding& binding, std::span<const std::uint8_t> recovery);
  /// The same, opened by the recovery secret.
  Status recover(const PcrBinding& binding, std::span<const std::uint8_t> recovery);
  /// As TpmSealer::authorise().
  Status authorise(std::span<const std::uint8_t> values, std::span<const std::uint8_t> signature);

 private:
  Status seal(const StorageKey& key, const PcrBinding& binding, std::span<const std::uint8_t> recovery,
              std::span<const std::uint8_t> before);
  [[nodiscard]] Result<std::vector<std::uint8_t>> stored() const;

  TpmSealer& sealer_;
  std::string folder_;
  BeforeReplacing before_;
};

}  // namespace akm::keyring
