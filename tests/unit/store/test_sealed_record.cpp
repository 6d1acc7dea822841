#include "daemon/store/sealed_record.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <array>

using namespace akm;
using namespace akm::store;

namespace {

SecretBytes<32> storage_key(std::uint8_t value) {
  SecretBytes<32> key;
  std::fill(key.reveal_mutable().begin(), key.reveal_mutable().end(), value);
  return key;
}

constexpr std::array<std::uint8_t, 6> kRecord{1, 2, 3, 4, 5, 6};

class NoRandom final : public RandomSource {
 public:
  Status fill(std::span<std::uint8_t>) override { return fail(Errc::crypto_failed); }
};

}  // namespace

Test(sealed_record, opens_what_was_sealed) {
  SystemRandom random;
  const auto key = storage_key(1);
  const auto sealed = seal_record(key, "asr-1", kRecord, random).value();
  cr_assert_eq(sealed.size(), kRecord.size() + kSealedOverheadBytes);
  cr_assert(std::search(sealed.begin(), sealed.end(), kRecord.begin(), kRecord.end()) == sealed.end());
  const SecretBuffer opened = open_record(key, "asr-1", sealed).value();
  cr_assert(std::equal(kRecord.begin(), kRecord.end(), opened.reveal().begin(), opened.reveal().end()));
  const auto empty = seal_record(key, "asr-1", {}, random).value();
  cr_assert(open_record(key, "asr-1", empty).value().empty());
}

Test(sealed_record, the_same_record_never_looks_the_same) {
  SystemRandom random;
  const auto key = storage_key(1);
  const auto first = seal_record(key, "a", kRecord, random).value();
  const auto second = seal_record(key, "a", kRecord, random).value();
  cr_assert(!std::equal(first.begin() + 5, first.begin() + 37, second.begin() + 5));
  cr_assert(!std::equal(first.begin() + 37, first.end(), second.begin() + 37));
}

Test(sealed_record, every_changed_bit_is_noticed) {
  SystemRandom random;
  const auto key = storage_key(1);
  const auto sealed = seal_record(key, "asr-1", kRecord, random).value();
  for (std::size_t i = 0; i < sealed.size() * 8; ++i) {
    auto changed = sealed;
    changed[i / 8] = static_cast<std::uint8_t>(changed[i / 8] ^ (1U << (i % 8)));
    const auto opened = open_record(key, "asr-1", changed);
    // The version stands before the cipher: who changes it upwards is told of a later program.
    const auto wanted = changed[4] > sealed[4] ? Errc::newer_version : Errc::state_corrupt;
    cr_assert(!opened.has_value() && opened.error().code == wanted, "bit %zu", i);
  }
}

Test(sealed_record, every_cut_and_growth_is_noticed) {
  SystemRandom random;
  const auto key = storage_key(1);
  auto sealed = seal_record(key, "asr-1", kRecord, random).value();
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    cr_assert(open_record(key, "asr-1", std::span(sealed).first(size)).error().code == Errc::state_corrupt);
  }
  sealed.push_back(0);
  cr_assert(open_record(key, "asr-1", sealed).error().code == Errc::state_corrupt);
}

Test(sealed_record, another_name_or_key_does_not_open_it) {
  SystemRandom random;
  const auto sealed = seal_record(storage_key(1), "asr-1", kRecord, random).value();
  cr_assert(open_record(storage_key(1), "asr-2", sealed).error().code == Errc::state_corrupt);
  cr_assert(open_record(storage_key(1), "asr-", sealed).error().code == Errc::state_corrupt);
  cr_assert(open_record(storage_key(2), "asr-1", sealed).error().code == Errc::state_corrupt);
}

Test(sealed_record, without_randomness_nothing_is_sealed) {
  NoRandom random;
  cr_assert(seal_record(storage_key(1), "a", kRecord, random).error().code == Errc::crypto_failed);
}
