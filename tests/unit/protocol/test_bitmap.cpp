#include "daemon/protocol/bitmap.h"

#include <criterion/criterion.h>

#include "tests/support/sample_asr.h"

namespace {

using namespace akm::protocol;

AsrDescription roster(std::uint16_t members, std::uint16_t step) {
  akm::test::SeededRandom random;
  return akm::test::sample_asr(members, random, step).description;
}

Test(bitmap, bit_7_of_byte_0_is_index_0) {
  Bitmap bitmap = Bitmap::for_roster(roster(11, 1));
  bitmap.set(0);
  bitmap.set(9);
  cr_assert_eq(bitmap.bytes().size(), 2);
  cr_assert_eq(bitmap.bytes()[0], 0x80);
  cr_assert_eq(bitmap.bytes()[1], 0x40);
  cr_assert_eq(bitmap.count(), 2);
  cr_assert(bitmap.test(9));
  cr_assert(!bitmap.test(8));
}

Test(bitmap, is_as_long_as_the_highest_index_needs) {
  cr_assert_eq(Bitmap::for_roster(roster(8, 1)).bytes().size(), 1);
  cr_assert_eq(Bitmap::for_roster(roster(9, 1)).bytes().size(), 2);
  cr_assert_eq(Bitmap::for_roster(roster(4096, 1)).bytes().size(), 512);
}

Test(bitmap, what_lies_outside_is_not_taken) {
  Bitmap bitmap = Bitmap::for_roster(roster(8, 1));
  bitmap.set(8);
  bitmap.set(0xffff);
  cr_assert_eq(bitmap.count(), 0);
  cr_assert(!bitmap.test(0xffff));
}

Test(bitmap, merges_and_contains) {
  Bitmap a = Bitmap::for_roster(roster(10, 1));
  Bitmap b = a;
  a.set(1);
  b.set(9);
  cr_assert(!a.contains(b));
  a.merge(b);
  cr_assert(a.contains(b));
  cr_assert_eq(a.count(), 2);
  cr_assert(!b.contains(a));
  Bitmap longer = Bitmap::for_roster(roster(17, 1));
  longer.set(16);
  a.merge(longer);
  cr_assert_eq(a.count(), 2, "another length is not merged");
  cr_assert(!longer.contains(a));
}

Test(bitmap, fits_only_the_rosters_length_and_members) {
  const AsrDescription asr = roster(4, 3);  // 0, 3, 6, 9
  Bitmap bitmap = Bitmap::for_roster(asr);
  bitmap.set(3);
  bitmap.set(9);
  cr_assert(bitmap.fits(asr));
  bitmap.set(4);
  cr_assert(!bitmap.fits(asr), "4 is no member");
  const std::array<std::uint8_t, 3> longer{0x80, 0, 0};
  cr_assert(!Bitmap::from_bytes(longer).fits(asr));
  cr_assert(!Bitmap::from_bytes(std::span(longer).first(1)).fits(asr));
  cr_assert(!Bitmap().fits(asr));
}

}  // namespace
