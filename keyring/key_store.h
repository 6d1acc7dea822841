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

/// Which key of an ASR. `name` is that of exported keys: a consumer's name, and ":" and a context in hex
/// where there is one; else empty. `user`: whose exported key it is. Users share none: whoever possesses a
/// key may search it, and so invalidate it (keyctl_invalidate(3)) for all.
struct KeyId {
  std::uint64_t asr_id = 0;
  /// user_export: a program reads it; logon_export: only the kernel uses it.
  enum class Slot : std::uint8_t { current, candidate, user_export, logon_export } slot = Slot::current;
  std::string name;
  std::uint32_t user = 0;
  auto operator<=>(const KeyId&) const = default;
};

constexpr bool is_export(KeyId::Slot slot) {
  return slot == KeyId::Slot::user_export || slot == KeyId::Slot::logon_export;
}

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
  /// Links an exported key into `keyring`, which belongs to the user `owner` and which this process may see
  /// and write to; what holds it possesses the key. not_found, not_authorized, invalid_argument,
  /// quota_exceeded.
  virtual Status give(const KeyId& id, Serial keyring, std::uint32_t owner) = 0;
  /// False when this keyring is gone, and with it what was given to it.
  [[nodiscard]] virtual bool is_there(Serial keyring) const = 0;
  /// Serials of the session secrets and of the keyring itself: what the probes guard. Exported keys are for
  /// others to use.
  [[nodiscard]] virtual std::vector<Serial> serials() const = 0;
  [[nodiscard]] virtual Serial keyring_serial() const = 0;
};

}  // namespace akm::keyring
