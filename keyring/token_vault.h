#pragma once
// Provisioning credentials on a token, on their way from the NMM to a node (docs/protocol.md, section 7): one
// private data object for each node, and where the token can do AES-GCM a key of its own that seals it and
// never leaves the token. Knows nothing of what it carries.
#include <span>
#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"
#include "keyring/pkcs11_token.h"

namespace akm::keyring {

inline constexpr std::size_t kVaultContentBytes = std::size_t{16} * 1024;

struct VaultReceipt {
  std::string token;    // which one, for people
  bool sealed = false;  // with a key on the token; else the PIN alone keeps it
};

/// Whether the PIN opens the token and no bundle of this node is on it (already_exists): before a serial is
/// used up. Errors of Pkcs11Token::open.
Status check_vault(const TokenPlace& place, const SecretBuffer& pin, std::string_view node);
/// Writes it. already_exists, token_failed. What was begun is destroyed again on failure.
Result<VaultReceipt> put_in_vault(const TokenPlace& place, const SecretBuffer& pin, std::string_view node,
                                  std::span<const std::uint8_t> content);

struct VaultContent {
  std::string node;  // the object's label
  SecretBuffer content;
};
/// The one bundle that is there, or that of the node that the URI names (object=NODE). not_found;
/// already_consumed with the receipt of an earlier import; invalid_argument when there are several;
/// not_authentic when it does not open with the token's key.
Result<VaultContent> read_vault(const TokenPlace& place, const SecretBuffer& pin);
/// Destroys the node's bundle and its key, and leaves the receipt, which everybody may read. The key goes
/// first: without it the rest is noise. Each step is tried; the first error is returned.
Status consume_vault(const TokenPlace& place, const SecretBuffer& pin, std::string_view node,
                     std::string_view receipt);

}  // namespace akm::keyring
