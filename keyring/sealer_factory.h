#pragma once
// Chooses the sealer from the configuration, and opens the storage key with it.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "keyring/sealer.h"

namespace akm::keyring {

/// NV index of the incarnation counter where the configuration names none: owner range (TCG registry of
/// reserved TPM 2.0 handles, 0x01800000 to 0x01BFFFFF). Daemons that share a TPM need one each.
inline constexpr std::uint32_t kDefaultNvIndex = 0x01800A4B;
inline constexpr const char* kSealedKeyFile = "kek.sealed";

enum class SealerMode : std::uint8_t { automatic, tpm, software };

struct SealerOptions {
  SealerMode mode = SealerMode::automatic;
  /// TCTI string of tpm2-tss: "device:/dev/tpmrm0", "swtpm:path=/run/swtpm.sock",
  /// "swtpm:host=127.0.0.1,port=2321". Empty is kDefaultTcti.
  std::string tcti = kDefaultTcti;
  std::uint32_t nv_index = kDefaultNvIndex;
  /// Where kek.sealed lies, and the files of the software sealer.
  std::string state_folder;
  /// False: never seal in software (no_secure_element instead).
  bool allow_software = true;
  /// Optional, for the software sealer: software_sealer.h.
  std::vector<std::uint8_t> machine_binding;
};

/// automatic: what kek.sealed was sealed with; where there is none yet the TPM, else software if that is
/// allowed. A missing TPM never turns an existing TPM-sealed key into a new software key: the sealer is made
/// all the same, and its unseal() says sealed_unavailable. no_secure_element, invalid_argument,
/// storage_failed.
Result<std::unique_ptr<Sealer>> make_sealer(const SealerOptions& options);

/// Loads kek.sealed from `folder`, or draws a new key and stores it there, once and atomically. A blob that
/// does not open is never deleted or replaced. sealed_unavailable, tpm_failed, storage_failed, disk_full,
/// read_only.
Result<StorageKey> open_storage_key(Sealer& sealer, const std::string& folder);

}  // namespace akm::keyring
