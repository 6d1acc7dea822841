#include "daemon/protocol/data_payload.h"

#include <criterion/criterion.h>

#include <array>
#include <vector>

using namespace akm::protocol;

Test(data_payload, there_and_back_in_wire_order) {
  const std::array<std::uint8_t, 3> bytes{7, 8, 9};
  std::array<std::uint8_t, 7> out{};
  encode_data_payload({0x0102, bytes}, out);
  cr_assert(out == (std::array<std::uint8_t, 7>{1, 2, 0, 0, 7, 8, 9}));
  const auto data = decode_data_payload(out);
  cr_assert(data.has_value());
  cr_assert_eq(data->to, 0x0102);
  cr_assert_eq(data->bytes.data(), out.data() + kDataHeaderBytes, "the bytes stay where they are");
  cr_assert_eq(data->bytes.size(), 3);
}

Test(data_payload, an_empty_datagram_is_one) {
  std::array<std::uint8_t, kDataHeaderBytes> out{};
  encode_data_payload({kEveryone, {}}, out);
  const auto data = decode_data_payload(out);
  cr_assert(data.has_value());
  cr_assert_eq(data->to, kEveryone);
  cr_assert(data->bytes.empty());
}

Test(data_payload, what_is_short_or_not_zero_is_refused) {
  const std::vector<std::uint8_t> whole{0, 1, 0, 0};
  for (std::size_t size = 0; size < kDataHeaderBytes; ++size) {
    cr_assert(decode_data_payload(std::span(whole).first(size)).error() == Refusal::malformed_payload);
  }
  for (const std::vector<std::uint8_t>& bad : {std::vector<std::uint8_t>{0, 1, 1, 0}, {0, 1, 0, 1, 5}}) {
    cr_assert(decode_data_payload(bad).error() == Refusal::malformed_payload);
  }
}
