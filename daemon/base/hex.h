#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"

namespace akm {

std::string hex(std::span<const std::uint8_t> bytes);
/// 16 lower-case digits: how node and ASR ids are shown and written everywhere.
std::string hex_id(std::uint64_t id);
Result<std::vector<std::uint8_t>> parse_hex(std::string_view text);
Result<std::uint64_t> parse_hex_id(std::string_view text);

}  // namespace akm
