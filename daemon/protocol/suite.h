#pragma once
// What a suite number stands for (section 1).
#include <string_view>

#include "daemon/crypto/aead.h"
#include "daemon/crypto/hkdf.h"
#include "daemon/protocol/asr.h"

namespace akm::protocol {

/// not_supported for a number that is none of the three.
Result<Suite> parse_suite(std::uint64_t number);
[[nodiscard]] crypto::Hash suite_hash(Suite suite);
[[nodiscard]] crypto::AeadAlgorithm suite_aead(Suite suite);
/// "hkdf-sha256-aes256gcm", ...
std::string_view suite_name(Suite suite);

}  // namespace akm::protocol
