#include "daemon/base/random.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <set>
#include <vector>

using namespace akm;

namespace {

class NoRandom final : public RandomSource {
 public:
  Status fill(std::span<std::uint8_t>) override { return fail(Errc::crypto_failed); }
};

}  // namespace

// getrandom gives at most 256 bytes without being interrupted, so large ones are filled in parts.
Test(random, fills_all_of_any_size) {
  SystemRandom random;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{257}, std::size_t{100'000}}) {
    std::vector<std::uint8_t> bytes(size);
    cr_assert(random.fill(bytes).has_value());
    // 64 zeros in a row do not happen (2^-512).
    std::size_t zeros = 0;
    for (const auto byte : bytes) cr_assert_lt(zeros = byte == 0 ? zeros + 1 : 0, 64);
  }
}

Test(random, numbers_differ) {
  SystemRandom random;
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random_u64(random).value());
  cr_assert_eq(seen.size(), 1000);
  std::set<std::uint32_t> small;
  for (int i = 0; i < 100; ++i) small.insert(random_u32(random).value());
  cr_assert_gt(small.size(), 90);
}

Test(random, a_failing_source_is_an_error) {
  NoRandom random;
  cr_assert(random_u32(random).error().code == Errc::crypto_failed);
  cr_assert(random_u64(random).error().code == Errc::crypto_failed);
}
