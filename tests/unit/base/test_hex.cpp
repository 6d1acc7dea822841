#include "daemon/base/hex.h"

#include <criterion/criterion.h>

#include <array>

using namespace akm;

Test(hex, there_and_back) {
  const std::array<std::uint8_t, 4> bytes{0x00, 0x9f, 0xa0, 0xff};
  cr_assert_eq(hex(bytes), "009fa0ff");
  cr_assert(std::equal(bytes.begin(), bytes.end(), parse_hex("009FA0ff").value().begin()));
  cr_assert(parse_hex("").value().empty());
}

Test(hex, refuses_what_is_not_hexadecimal) {
  for (const char* text : {"0", "0g", "0x", " 0", "-1", "+1", "00 "}) {
    cr_assert(parse_hex(text).error().code == Errc::invalid_argument, "%s", text);
  }
}

Test(hex, ids) {
  cr_assert_eq(hex_id(0x1a), "000000000000001a");
  cr_assert_eq(hex_id(UINT64_MAX), "ffffffffffffffff");
  cr_assert_eq(parse_hex_id("1a").value(), 0x1a);
  cr_assert_eq(parse_hex_id("ffffffffffffffff").value(), UINT64_MAX);
  for (const char* text : {"", "g", "0x1", "10000000000000000", "00000000000000001", "-1", "1 "}) {
    cr_assert(parse_hex_id(text).error().code == Errc::invalid_argument, "%s", text);
  }
}
