#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "daemon/base/result.h"

namespace akm::crypto {

/// SHA-256 of the concatenation of the parts. Ends the process if OpenSSL has no SHA-256: nothing could work.
std::array<std::uint8_t, 32> sha256(std::initializer_list<std::span<const std::uint8_t>> parts);

}  // namespace akm::crypto
