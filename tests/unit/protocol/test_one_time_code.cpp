#include "daemon/protocol/one_time_code.h"

#include <criterion/criterion.h>

#include <set>
#include <string>

#include "tests/support/seeded_random.h"

namespace {

using namespace akm::protocol;

std::string text(const akm::SecretBuffer& secret) {
  return {secret.reveal().begin(), secret.reveal().end()};
}

class FixedRandom final : public akm::RandomSource {
 public:
  akm::Status fill(std::span<std::uint8_t> out) override {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(i * 17);
    return {};
  }
};

// 00 11 22 33 44 .. as five bits each.
Test(one_time_code, takes_a_hundred_bits_in_order) {
  FixedRandom random;
  cr_assert_eq(text(*generate_code(random)), "008J4CT4ANK7F24SNAXW");
}

Test(one_time_code, codes_differ_and_use_every_symbol) {
  akm::test::SeededRandom random;
  std::set<std::string> codes;
  std::set<char> symbols;
  for (int i = 0; i < 200; ++i) {
    const std::string code = text(*generate_code(random));
    cr_assert_eq(code.size(), 20);
    symbols.insert(code.begin(), code.end());
    codes.insert(code);
  }
  cr_assert_eq(codes.size(), 200);
  cr_assert_eq(symbols.size(), 32);
  for (const char never : {'I', 'L', 'O', 'U', '-'}) cr_assert(!symbols.contains(never));
}

Test(one_time_code, is_shown_in_groups_of_five) {
  const auto code = parse_code("0123456789ABCDEFGHJK");
  cr_assert_eq(text(*format_code(*code)), "01234-56789-ABCDE-FGHJK");
  cr_assert(!format_code(akm::SecretBuffer(19)).has_value());
}

Test(one_time_code, takes_what_people_type) {
  cr_assert_eq(text(*parse_code(" o1234-56789 abcde-fghjk\n")), "0123456789ABCDEFGHJK");
  cr_assert_eq(text(*parse_code("OoIiLlVWXYZ-vwxyz0000")), "001111VWXYZVWXYZ0000");
}

Test(one_time_code, refuses_what_is_no_code) {
  for (const char* typed : {"", "0123456789ABCDEFGHJ", "0123456789ABCDEFGHJKM", "0123456789ABCDEFGHJU",
                            "0123456789ABCDEFGHJ!", "0123456789ABCDEFGHJ\xc3\xa9"}) {
    cr_assert_eq(parse_code(typed).error().code, akm::Errc::invalid_argument, "%s", typed);
  }
  cr_assert(!parse_code(std::string(1000, '-')).has_value());
}

Test(one_time_code, fails_without_randomness) {
  akm::test::FailingRandom random;
  cr_assert(!generate_code(random).has_value());
}

}  // namespace
