#pragma once
// Seals the storage key (KEK) to this machine, and counts its starts.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"

namespace akm::keyring {

inline constexpr std::size_t kStorageKeyBytes = 32;
using StorageKey = SecretBytes<kStorageKeyBytes>;

/// TCTI string where the configuration names none: the kernel's resource manager.
inline constexpr const char* kDefaultTcti = "device:/dev/tpmrm0";

enum class SealerKind : std::uint8_t { tpm, software, token };
std::string_view sealer_kind_name(SealerKind kind);

/// A blocking interface: run it before the loop starts, or on the TPM thread (TpmWorker).
class Sealer {
 public:
  virtual ~Sealer() = default;
  [[nodiscard]] virtual SealerKind kind() const = 0;
  /// For status: "TPM 2.0 (manufacturer, firmware)" or "software: keys on this disk open without a secure
  /// element".
  [[nodiscard]] virtual std::string description() const = 0;
  /// Seals; the blob is opaque and safe to store in the clear. tpm_failed, storage_failed.
  virtual Result<std::vector<std::uint8_t>> seal(const StorageKey& key) = 0;
  /// sealed_unavailable with the cause (which PCR, lockout, no device, another machine's blob) in the detail.
  virtual Result<StorageKey> unseal(std::span<const std::uint8_t> blob) = 0;
  /// Grows by at least one and never repeats, also after a crash: the node's incarnation (section 1). Called
  /// once a start. exhausted above 2^32 - 1.
  virtual Result<std::uint32_t> next_incarnation() = 0;
  /// Erases what the sealer itself keeps for this daemon (files, an NV index, an object on a token): what it
  /// has sealed does not open any more, or is no proof of anything. `blob`: the last of seal(), by which a
  /// token finds what is its own; empty where there is none. The names of what is gone, of a-z, "-".
  virtual Result<std::vector<std::string>> erase(std::span<const std::uint8_t> /*blob*/) {
    return std::vector<std::string>{};
  }
  /// The same for one blob of seal() that nothing will refer to.
  virtual Status discard(std::span<const std::uint8_t> /*blob*/) { return {}; }
};

}  // namespace akm::keyring
