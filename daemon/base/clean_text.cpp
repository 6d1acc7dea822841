#include "daemon/base/clean_text.h"

#include <algorithm>
#include <cstdint>
#include <span>

namespace akm {
namespace {

// The number of bytes of the UTF-8 sequence at the front, 0 when it is not well-formed (RFC 3629, 4).
std::size_t sequence_bytes(std::span<const std::uint8_t> in) {
  const std::uint8_t first = in[0];
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                             : first >= 0xe0 && first <= 0xef ? 3
                             : first >= 0xf0 && first <= 0xf4 ? 4
                                                              : 0;
  if (length == 0 || in.size() < length) return 0;
  if (!std::ranges::all_of(in.subspan(1, length - 1),
                           [](std::uint8_t byte) { return (byte & 0xc0) == 0x80; }))
    return 0;
  const std::uint8_t second = in[1];
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool surrogate = first == 0xed && second > 0x9f;
  const bool too_high = first == 0xf4 && second > 0x8f;
  return overlong || surrogate || too_high ? 0 : length;
}

}  // namespace

bool is_utf8(std::string_view text) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters as the bytes that they are
  std::span in(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  while (!in.empty()) {
    const std::size_t length = sequence_bytes(in);
    if (length == 0) return false;
    in = in.subspan(length);
  }
  return true;
}

bool is_clean_text(std::string_view text) {
  const auto control = [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; };
  return is_utf8(text) && std::ranges::none_of(text, control);
}

std::string clean_text(std::string_view text) {
  return is_clean_text(text) ? std::string(text) : "?";
}

}  // namespace akm
