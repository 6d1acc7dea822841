#pragma once
// A KeyStore in memory whose faults a test switches on.
#include <map>
#include <string>
#include <vector>

#include "keyring/key_store.h"

namespace akm::test {

class MemoryKeyStore final : public keyring::KeyStore {
 public:
  Result<keyring::Serial> put(const keyring::KeyId& id, const SecretBuffer& secret,
                              std::uint32_t timeout_s) override {
    if (fail_puts) return fail(Errc::quota_exceeded, "test");
    last_timeout_s = timeout_s;
    auto& key = keys[id];
    if (key.serial == 0) key.serial = next_serial++;
    key.secret = secret.clone();
    return key.serial;
  }
  Result<SecretBuffer> get(const keyring::KeyId& id) override {
    const auto found = keys.find(id);
    if (found == keys.end()) return fail(Errc::not_found, "key");
    return found->second.secret.clone();
  }
  Status revoke(const keyring::KeyId& id) override {
    if (fail_revokes) return fail(Errc::keyring_failed, "test");
    keys.erase(id);
    return {};
  }
  Status revoke_all() override {
    if (fail_revokes) return fail(Errc::keyring_failed, "test");
    keys.clear();
    return {};
  }
  Status give(const keyring::KeyId& id, keyring::Serial keyring, std::uint32_t owner) override {
    if (!keys.contains(id)) return fail(Errc::not_found, "key");
    const auto to = keyrings.find(keyring);
    if (to == keyrings.end()) return fail(Errc::not_found, "keyring");
    if (to->second != owner) return fail(Errc::not_authorized, "keyring");
    return {};
  }
  [[nodiscard]] bool is_there(keyring::Serial keyring) const override { return keyrings.contains(keyring); }
  [[nodiscard]] std::vector<keyring::Serial> serials() const override {
    std::vector<keyring::Serial> out{keyring_serial()};
    for (const auto& [id, key] : keys) {
      if (!keyring::is_export(id.slot)) out.push_back(key.serial);
    }
    return out;
  }
  [[nodiscard]] keyring::Serial keyring_serial() const override { return 1000; }
  [[nodiscard]] bool has_keys_of(std::uint64_t asr_id) const {
    for (const auto& [id, key] : keys) {
      if (id.asr_id == asr_id) return true;
    }
    return false;
  }

  struct Key {
    keyring::Serial serial = 0;
    SecretBuffer secret;
  };
  std::map<keyring::KeyId, Key> keys;
  std::map<keyring::Serial, std::uint32_t> keyrings;  // of consumers, and their owners
  keyring::Serial next_serial = 1001;
  std::uint32_t last_timeout_s = 0;
  bool fail_puts = false;
  bool fail_revokes = false;
};

}  // namespace akm::test
