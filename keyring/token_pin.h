#pragma once
// The PIN of a token that a daemon opens by itself: from a file, or from a systemd credential.
#include <string>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"

namespace akm::keyring {

/// Name of the credential (LoadCredentialEncrypted=token-pin:...).
inline constexpr const char* kPinCredential = "token-pin";

/// `path`; where it is empty the credential of this service. One newline at the end is taken off.
/// sealed_unavailable when there is none, wrong_pin for a file that others can read or that holds no PIN.
Result<SecretBuffer> read_pin(const std::string& path);

/// The PIN in what was typed or read: without the newline, 1 to kPinBytes bytes, none of them 0.
/// invalid_argument.
Result<SecretBuffer> parse_pin(SecretBuffer typed);

}  // namespace akm::keyring
