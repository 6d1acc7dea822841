#pragma once
// Keys of ASR sessions that local consumers hold (docs/keys.md): derived by the exporter of section 3, put
// into the kernel keyring, linked into the consumer's, renewed with the session, revoked with it.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/node/consumer_access.h"
#include "daemon/node/control_port.h"
#include "daemon/protocol/engine.h"
#include "keyring/key_store.h"

namespace akm::node {

inline constexpr std::size_t kExportsPerUser = 32;  // of one ASR: a user cannot use up what is others'
inline constexpr std::size_t kExportsPerAsr = 256;
inline constexpr std::size_t kHoldersPerExport = 32;

class KeyExports {
 public:
  struct Parts {
    keyring::KeyStore* keys = nullptr;  // null: there are none to give
    std::function<std::optional<protocol::AsrView>(protocol::AsrId)> view;
    /// Renewed in place, or revoked.
    std::function<void(protocol::AsrId, const ExportedKey&, bool revoked)> changed;
  };
  KeyExports(Parts parts, const std::vector<ConsumerRule>& rules);

  /// Makes the key, or finds it, and links it into the caller's keyring. not_authorized, not_found,
  /// wrong_state (no session), invalid_argument, limit_exceeded, quota_exceeded, keyring_failed;
  /// refused_by_policy while another program of that user has it with another length.
  Result<std::int32_t> add(const ControlPort::KeyExport& what, const Caller& caller);
  /// Of this user and program, as it has asked for it. The key is revoked when the user's other programs do
  /// not hold it either. not_found, not_authorized.
  Status release(protocol::AsrId asr_id, std::int32_t serial, const Caller& caller);
  /// The session's key in the keyring was replaced, got a new timeout, or is gone.
  void session_changed(protocol::AsrId asr_id);
  /// At once, before anything that could take time.
  void revoke_all();
  [[nodiscard]] std::vector<ExportedKey> of(protocol::AsrId asr_id) const;
  [[nodiscard]] const ConsumerAccess& access() const { return access_; }

 private:
  struct Holder {
    const ConsumerRule* rule = nullptr;  // by which it was given: user and executable
    keyring::Serial keyring = 0;
    bool operator==(const Holder&) const = default;
  };
  struct Export {
    std::string consumer;
    std::vector<std::uint8_t> context;
    std::size_t bytes = 0;
    ExportedKey shown;
    std::vector<Holder> holders;
  };
  using Exports = std::map<keyring::KeyId, Export>;
  [[nodiscard]] std::size_t count(protocol::AsrId asr_id, std::optional<std::uint32_t> user) const;
  Status derive(const keyring::KeyId& id, Export& one, const protocol::AsrView& view);
  Status renew(const keyring::KeyId& id, Export& one, const protocol::AsrView& view);
  Exports::iterator revoke(Exports::iterator at, bool say);

  Parts parts_;
  ConsumerAccess access_;
  Exports exports_;
};

}  // namespace akm::node
