#include "daemon/protocol/transcript.h"

#include <criterion/criterion.h>

#include <set>
#include <vector>

namespace {

using namespace akm::protocol;

const std::array<std::uint8_t, 32> kOne{1};
const std::array<std::uint8_t, 32> kTwo{2};

Test(transcript, digest_takes_participants_by_rising_index) {
  const std::vector<Contribution> right{{1, kOne, 4}, {3, kTwo, 9}};
  const std::vector<Contribution> wrong{{3, kTwo, 9}, {1, kOne, 4}};
  const std::vector<Contribution> twice{{1, kOne, 4}, {1, kTwo, 9}};
  cr_assert(contributions_digest(right).has_value());
  cr_assert(!contributions_digest(wrong).has_value());
  cr_assert(!contributions_digest(twice).has_value());
  cr_assert(!contributions_digest({}).has_value());
  cr_assert_eq(highest_epoch(right), 9);
  cr_assert_eq(highest_epoch({}), 0);
}

Test(transcript, digest_binds_each_field) {
  std::set<Digest32> digests;
  const auto add = [&](std::uint16_t index, const std::array<std::uint8_t, 32>& value,
                       std::uint32_t high_epoch) {
    const std::vector<Contribution> one{{index, value, high_epoch}};
    digests.insert(*contributions_digest(one));
  };
  add(1, kOne, 4);
  add(2, kOne, 4);
  add(1, kTwo, 4);
  add(1, kOne, 5);
  cr_assert_eq(digests.size(), 4);
}

Test(transcript, binds_each_field) {
  const KeyContext context{Suite::hkdf_sha256_aes256gcm, 1, 1, {}};
  KeyContext other = context;
  other.generation = 2;
  const std::array<std::uint8_t, 1> bits{0xc0};
  const std::array<std::uint8_t, 1> fewer{0x80};
  const Bitmap all = Bitmap::from_bytes(bits);
  const std::set<Digest32> all_different{
      transcript(context, Chain::normal, 2, 0, 5, kOne, all),
      transcript(other, Chain::normal, 2, 0, 5, kOne, all),
      transcript(context, Chain::fallback, 2, 0, 5, kOne, all),
      transcript(context, Chain::normal, 3, 0, 5, kOne, all),
      transcript(context, Chain::normal, 2, 1, 5, kOne, all),
      transcript(context, Chain::normal, 2, 0, 6, kOne, all),
      transcript(context, Chain::normal, 2, 0, 5, kTwo, all),
      transcript(context, Chain::normal, 2, 0, 5, kOne, Bitmap::from_bytes(fewer)),
  };
  cr_assert_eq(all_different.size(), 8);
}

}  // namespace
