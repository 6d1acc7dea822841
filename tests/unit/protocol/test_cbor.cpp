#include "daemon/protocol/cbor.h"

#include <criterion/criterion.h>

#include "daemon/base/hex.h"

namespace {

using akm::protocol::CborReader;
using akm::protocol::CborWriter;
using Bytes = std::vector<std::uint8_t>;

Bytes from_hex(const char* text) {
  return *akm::parse_hex(text);
}

/// Whether the bytes are one item of deterministic CBOR that we take at all.
bool valid(const char* text) {
  const Bytes bytes = from_hex(text);
  CborReader reader(bytes);
  reader.skip();
  return reader.finish().has_value();
}

Test(cbor, writes_the_shortest_form) {
  CborWriter writer;
  for (const std::uint64_t value :
       {0ULL, 23ULL, 24ULL, 255ULL, 256ULL, 65535ULL, 65536ULL, 4294967295ULL, 4294967296ULL}) {
    writer.unsigned_integer(value);
  }
  cr_assert_eq(akm::hex(writer.take()),
               "00171818"
               "18ff190100"
               "19ffff1a00010000"
               "1affffffff1b0000000100000000");
  writer.map(1);
  writer.text("key");
  writer.array(3);
  writer.boolean(false);
  writer.boolean(true);
  writer.bytes(Bytes{1, 2});
  cr_assert_eq(akm::hex(writer.take()), "a1636b657983f4f5420102");
}

Test(cbor, a_secret_writer_grows_in_the_arena) {
  CborWriter writer(CborWriter::Memory::secret);
  const Bytes part(700, 0x42);
  writer.array(4);
  for (int i = 0; i < 4; ++i) writer.bytes(part);
  cr_assert_eq(writer.size(), 1 + 4 * 703);
  const akm::SecretBuffer out = writer.take_secret();
  cr_assert_eq(out.size(), 1 + 4 * 703);
  CborReader reader(out.reveal());
  cr_assert_eq(reader.array(4), 4);
  for (int i = 0; i < 4; ++i) cr_assert_eq(reader.bytes(700).size(), 700);
  cr_assert(reader.finish().has_value());
  cr_assert(writer.take_secret().empty());
}

Test(cbor, takes_deterministic_items) {
  cr_assert(valid("00"));
  cr_assert(valid("1818"));
  cr_assert(valid("20"), "a negative number may be skipped");
  cr_assert(valid("f6"), "null may be skipped");
  cr_assert(valid("8201a0"));
  cr_assert(valid("a2616101616202"), "a, b");
  cr_assert(valid("a261620162616102"), "b, aa: the shorter key first");
  cr_assert(valid("8181818180"), "five levels");
}

Test(cbor, refuses_what_is_not_deterministic) {
  cr_assert(!valid("1817"), "23 in two bytes");
  cr_assert(!valid("190018"), "24 in three bytes");
  cr_assert(!valid("1a0000ffff"));
  cr_assert(!valid("1b00000000ffffffff"));
  cr_assert(!valid("580101"), "length in two bytes");
  cr_assert(!valid("7900016b"));
  cr_assert(!valid("980100"));
  cr_assert(!valid("b801616101"));
  cr_assert(!valid("9f00ff"), "indefinite array");
  cr_assert(!valid("bf616101ff"), "indefinite map");
  cr_assert(!valid("5f4101ff"), "indefinite bytes");
  cr_assert(!valid("7f6161ff"), "indefinite text");
  cr_assert(!valid("a2616201616102"), "b, a: not sorted");
  cr_assert(!valid("a262616101616202"), "aa, b: the longer key first");
  cr_assert(!valid("a2616101616102"), "double key");
  cr_assert(!valid("81a2616201616102"), "not sorted, inside");
  cr_assert(!valid("a10102"), "a key that is a number");
  cr_assert(!valid("a1416101"), "a key of bytes");
}

Test(cbor, refuses_what_has_no_place_here) {
  cr_assert(!valid("c000"), "tag");
  cr_assert(!valid("f93c00"), "float");
  cr_assert(!valid("fb3ff0000000000000"));
  cr_assert(!valid("f7"), "undefined");
  cr_assert(!valid("f820"), "simple value");
  cr_assert(!valid("f814"), "false in two bytes");
  cr_assert(!valid("1c"), "reserved");
  cr_assert(!valid("ff"), "break");
  cr_assert(!valid("818181818180"), "six levels");
  cr_assert(!valid("a16161a16161a16161a16161a16161a0"), "six levels of maps");
}

Test(cbor, refuses_broken_utf8) {
  cr_assert(valid("62c3a9"));
  cr_assert(valid("63e282ac"));
  cr_assert(valid("64f09f9880"));
  cr_assert(!valid("61c3"), "cut");
  cr_assert(!valid("62c0af"), "overlong");
  cr_assert(!valid("63e08080"));
  cr_assert(!valid("64f0808080"));
  cr_assert(!valid("63eda080"), "surrogate");
  cr_assert(!valid("64f4908080"), "above U+10FFFF");
  cr_assert(!valid("6180"));
  cr_assert(!valid("62c341"));
}

Test(cbor, refuses_wrong_lengths) {
  cr_assert(!valid(""), "nothing");
  cr_assert(!valid("0000"), "two items");
  cr_assert(
      !valid("8101"
             "00"));
  cr_assert(!valid("82"
                   "01"),
            "an item is missing");
  cr_assert(!valid("a16161"), "a value is missing");
  cr_assert(!valid("4201"), "bytes are missing");
  cr_assert(!valid("9affffffff00"), "more items than bytes");
  cr_assert(!valid("9bffffffffffffffff00"));
  cr_assert(!valid("bb7fffffffffffffff00"));
  cr_assert(!valid("bb800000000000000000"));
  cr_assert(!valid("5bffffffffffffffff00"));
}

Test(cbor, a_reader_that_failed_stays_failed) {
  const Bytes bytes = from_hex("8301616102");
  CborReader reader(bytes);
  cr_assert_eq(reader.array(3), 3);
  cr_assert_eq(reader.unsigned_integer(), 1);
  cr_assert_eq(reader.unsigned_integer(), 0, "it is text");
  cr_assert(!reader.ok());
  cr_assert_eq(reader.text(10), "");
  cr_assert_eq(reader.array(10), 0);
  cr_assert_eq(reader.map(), 0);
  cr_assert(!reader.boolean());
  reader.skip();
  cr_assert_eq(reader.finish().error().code, akm::Errc::malformed);
}

Test(cbor, bounds_of_the_caller_hold) {
  const Bytes bytes = from_hex("1864");
  cr_assert_eq(CborReader(bytes).unsigned_integer(100), 100);
  cr_assert_eq(CborReader(bytes).unsigned_integer(99), 0);
  const Bytes text = from_hex("63616263");
  cr_assert_eq(CborReader(text).text(3), "abc");
  cr_assert_eq(CborReader(text).text(2), "");
  cr_assert_eq(CborReader(text).text(9, 4), "");
  const Bytes array = from_hex("820102");
  cr_assert_eq(CborReader(array).array(1), 0);
  const Bytes map = from_hex("a2616101616202");
  cr_assert_eq(CborReader(map).map(1), 0);
}

Test(cbor, skips_whole_items_of_any_kind) {
  const Bytes in = from_hex("84a2616182010261628102420102200a");
  CborReader reader(in);
  cr_assert_eq(reader.array(9), 4);
  reader.skip();
  reader.skip();
  reader.skip();
  cr_assert_eq(reader.unsigned_integer(), 10);
  cr_assert(reader.finish().has_value());
}

Test(cbor, text_maps_are_sorted_by_the_writer) {
  const std::map<std::string, std::string> map{{"aa", "1"}, {"b", "2"}, {"c", "3"}};
  CborWriter writer;
  writer.text_map(map);
  const Bytes bytes = writer.take();
  cr_assert_eq(akm::hex(bytes),
               "a36162613261636133626161"
               "6131");
  CborReader reader(bytes);
  cr_assert(reader.text_map(3, 1) == map);
  cr_assert(reader.finish().has_value());
  CborReader bounded(bytes);
  cr_assert(bounded.text_map(2, 1).empty());
  cr_assert(!bounded.ok());
}

}  // namespace
