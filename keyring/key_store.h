#pragma once
// Where session secrets live outside the process: the kernel keyring, behind an interface so that faults can
// be injected.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"

namespace akm::keyring {

/// Which key of an ASR. `name` is used for exported keys only (a consumer's name), else empty.
struct KeyId {
  std::uint64_t asr_id = 0;
  enum class Slot : std::uint8_t { current, candidate, exported } slot = Slot::current;
  std::string name;
  auto operator<=>(const KeyId&) const = default;
};

using Serial = std::int32_t;

class KeyStore {
 public:
  virtual ~KeyStore() = default;
  /// Adds the key, or updates it in place (the serial stays). `timeout_s` 0 means none. quota_exceeded,
  /// keyring_failed.
  virtual Result<Serial> put(const KeyId& id, const SecretBuffer& secret, std::uint32_t timeout_s) = 0;
  /// Reads it back; not_found when it is not there, expired or revoked.
  virtual Result<SecretBuffer> get(const KeyId& id) = 0;
  /// Revokes and unlinks; a key that is not there is no error.
  virtual Status revoke(const KeyId& id) = 0;
  /// Revokes every key and leaves an empty keyring: what a critical detection does first.
  virtual Status revoke_all() = 0;
  /// Serials of all keys and of the keyring itself: what the probes guard.
  [[nodiscard]] virtual std::vector<Serial> serials() const = 0;
  [[nodiscard]] virtual Serial keyring_serial() const = 0;
};

}  // namespace akm::keyring
