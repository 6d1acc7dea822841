#include "daemon/base/cursor.h"

#include <criterion/criterion.h>

#include <array>

using namespace akm;

Test(cursor, what_is_written_is_read_in_network_order) {
  std::array<std::uint8_t, 18> memory{};
  Writer writer(memory);
  writer.u8(0x01);
  writer.u16(0x0203);
  writer.u32(0x04050607);
  writer.u64(0x08090a0b0c0d0e0f);
  const std::array<std::uint8_t, 3> tail{0x10, 0x11, 0x12};
  writer.bytes(tail);
  cr_assert(writer.ok());
  cr_assert_eq(writer.size(), memory.size());
  for (std::size_t i = 0; i < memory.size(); ++i) cr_assert_eq(memory[i], i + 1);
  Reader reader(memory);
  cr_assert_eq(reader.u8(), 0x01);
  cr_assert_eq(reader.u16(), 0x0203);
  cr_assert_eq(reader.u32(), 0x04050607);
  cr_assert_eq(reader.u64(), 0x08090a0b0c0d0e0f);
  cr_assert(!reader.done());
  cr_assert_eq(reader.bytes(3)[2], 0x12);
  cr_assert(reader.done());
}

Test(cursor, reading_past_the_end_fails_and_stays_failed) {
  const std::array<std::uint8_t, 3> memory{1, 2, 3};
  Reader reader(memory);
  cr_assert_eq(reader.u32(), 0);
  cr_assert(!reader.ok());
  cr_assert_eq(reader.u8(), 0);  // nothing is left of it
  cr_assert(!reader.done());
  Reader large(memory);
  cr_assert(large.bytes(SIZE_MAX).empty());
  cr_assert(!large.ok());
}

Test(cursor, writing_past_the_end_fails_and_writes_nothing) {
  std::array<std::uint8_t, 3> memory{9, 9, 9};
  Writer writer(memory);
  writer.u32(0);
  cr_assert(!writer.ok());
  cr_assert_eq(memory[0], 9);
  Writer second(memory);
  second.u16(0);
  second.bytes(std::array<std::uint8_t, 2>{});
  cr_assert(!second.ok());
  cr_assert_eq(second.size(), 2);
  cr_assert_eq(memory[2], 9);
}
