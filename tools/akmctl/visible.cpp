#include "tools/akmctl/visible.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "daemon/base/clean_text.h"

namespace akm::ctl {
namespace {

struct Range {
  char32_t first, last;
};
// Unicode: Cc, the line separators and Default_Ignorable_Code_Point (DerivedCoreProperties): what a terminal
// obeys, or shows nothing for, so that two names look like one.
constexpr std::array<Range, 19> kHarmful{{{0, 0x1f},
                                          {0x7f, 0x9f},
                                          {0xad, 0xad},
                                          {0x034f, 0x034f},
                                          {0x061c, 0x061c},
                                          {0x115f, 0x1160},
                                          {0x17b4, 0x17b5},
                                          {0x180b, 0x180f},
                                          {0x200b, 0x200f},
                                          {0x2028, 0x202e},
                                          {0x2060, 0x206f},
                                          {0x3164, 0x3164},
                                          {0xfe00, 0xfe0f},
                                          {0xfeff, 0xfeff},
                                          {0xffa0, 0xffa0},
                                          {0xfff0, 0xfff8},
                                          {0x1bca0, 0x1bca3},
                                          {0x1d173, 0x1d17a},
                                          {0xe0000, 0xe0fff}}};

/// Bytes of the character at the front, by its first byte.
std::size_t bytes_of(unsigned char first) {
  if (first >= 0xf0) return 4;
  if (first >= 0xe0) return 3;
  return first >= 0xc0 ? 2 : 1;
}

char32_t code_point(std::string_view one) {
  constexpr std::array<unsigned char, 5> kBits{0, 0x7f, 0x1f, 0x0f, 0x07};
  char32_t out = static_cast<unsigned char>(one[0]) & kBits.at(one.size());
  for (const char c : one.substr(1)) out = out << 6U | (static_cast<unsigned char>(c) & 0x3fU);
  return out;
}

}  // namespace

std::string visible(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::string_view one = text.substr(0, bytes_of(static_cast<unsigned char>(text[0])));
    if (!is_utf8(one)) one = text.substr(0, 1);
    const bool good =
        is_utf8(one) && std::ranges::none_of(kHarmful, [point = code_point(one)](const Range& bad) {
          return point >= bad.first && point <= bad.last;
        });
    out += good ? one : std::string_view("?");
    text.remove_prefix(one.size());
  }
  return out;
}

}  // namespace akm::ctl
