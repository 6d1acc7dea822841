#include "daemon/base/hex.h"

#include <charconv>

namespace akm {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

}  // namespace

std::string hex(std::span<const std::uint8_t> bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
  return out;
}

std::string hex_id(std::uint64_t id) {
  std::string out(16, '0');
  for (std::size_t i = 16; i-- > 0; id >>= 4) out[i] = kDigits[id & 15];
  return out;
}

Result<std::vector<std::uint8_t>> parse_hex(std::string_view text) {
  if (text.size() % 2 != 0) return fail(Errc::invalid_argument, "hexadecimal text of odd length");
  std::vector<std::uint8_t> out(text.size() / 2);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const char* pair = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(pair, pair + 2, out[i], 16);
    if (error != std::errc{} || end != pair + 2) return fail(Errc::invalid_argument, "not hexadecimal");
  }
  return out;
}

Result<std::uint64_t> parse_hex_id(std::string_view text) {
  std::uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  if (error != std::errc{} || end != text.data() + text.size() || text.size() > 16) {
    return fail(Errc::invalid_argument,
                "'" + std::string(text.substr(0, 32)) + "' is not an id: up to 16 hex digits");
  }
  return id;
}

}  // namespace akm
