#pragma once
// The form of one sealed record, apart from where it lies.
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "daemon/base/random.h"
#include "daemon/base/result.h"
#include "daemon/base/secret.h"

namespace akm::store {

/// magic(4) "AKMS" || version(1) || salt(32) || AES-256-GCM ciphertext and tag.
inline constexpr std::size_t kSealedHeaderBytes = 4 + 1 + 32;
inline constexpr std::size_t kSealedOverheadBytes = kSealedHeaderBytes + 16;

/// Seals `record` under the name. crypto_failed.
Result<std::vector<std::uint8_t>> seal_record(const SecretBytes<32>& storage_key, std::string_view name,
                                              std::span<const std::uint8_t> record, RandomSource& random);
/// state_corrupt when a byte, the name or the key is another; newer_version where the version is.
Result<SecretBuffer> open_record(const SecretBytes<32>& storage_key, std::string_view name,
                                 std::span<const std::uint8_t> sealed);

}  // namespace akm::store
