#pragma once
// KeyStore on the kernel keyring (keyrings(7)). The process leaves the session keyring it was started in and
// joins a fresh anonymous one; inside it stands one keyring with the configured name, and in that the keys:
//   "<name>:asr:<16 hex>:current", "...:candidate"  type user, what the daemon reads back
//   "akm:<16 hex>:<consumer>[:<context in hex>]"    type user, for programs, or logon, for kernel consumers:
//   no process can read that. The same text on each member, and with the "service:" that the kernel wants.
// The possessor (this process, its threads and children) may do what it needs; every other process of the
// same user, root too, may see that the keys exist (`keyctl list SERIAL`) but not read, search, link or
// change them. Nothing holds the session keyring but the process, so that the kernel removes all keys when it
// dies, however it dies; but for exported keys that were given to a consumer's keyring, which end by their
// timeout. Whoever possesses one of these may use it; changing it is for this process's user alone.
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keyring/key_store.h"

namespace akm::keyring {

/// Longest keyring name and consumer name, bytes; both are [A-Za-z0-9_.-].
inline constexpr std::size_t kKeyringNameMaxBytes = 64;
/// Longest context of an exported key.
inline constexpr std::size_t kExportContextMaxBytes = 64;
/// Whether a keyring or a consumer can have this name.
bool is_key_name(std::string_view name);
/// Largest secret in one key; the kernel's own limit for type user is 32767.
inline constexpr std::size_t kKeyMaxBytes = 1024;

class KernelKeyring final : public KeyStore {
 public:
  /// Joins a fresh session keyring: call once, outside login sessions, before any thread is started (threads
  /// inherit it; those already running would keep the old one). `keys_wanted` is checked against the quotas
  /// (key_quota.h). invalid_argument, quota_exceeded, keyring_failed.
  static Result<std::unique_ptr<KernelKeyring>> create(std::string_view name, std::size_t keys_wanted = 0);
  /// Revokes all keys and takes the keyring out of the session.
  ~KernelKeyring() override;
  KernelKeyring(const KernelKeyring&) = delete;
  KernelKeyring& operator=(const KernelKeyring&) = delete;

  Result<Serial> put(const KeyId& id, const SecretBuffer& secret, std::uint32_t timeout_s) override;
  Result<SecretBuffer> get(const KeyId& id) override;
  Status revoke(const KeyId& id) override;
  Status revoke_all() override;
  Status give(const KeyId& id, Serial keyring, std::uint32_t owner) override;
  [[nodiscard]] bool is_there(Serial keyring) const override;
  [[nodiscard]] std::vector<Serial> serials() const override;
  [[nodiscard]] Serial keyring_serial() const override { return keyring_; }

 private:
  KernelKeyring(std::string name, Serial keyring) : name_(std::move(name)), keyring_(keyring) {}
  [[nodiscard]] std::string description(const KeyId& id) const;
  Result<Serial> add(const KeyId& id, const SecretBuffer& secret);
  Result<Serial> parent_of(const KeyId& id);

  std::string name_;
  Serial keyring_;
  std::map<KeyId, Serial> keys_;
  std::map<std::uint32_t, Serial> users_;  // keyrings in ours: a description stands once in each
};

}  // namespace akm::keyring
