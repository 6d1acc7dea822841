// Covers decode_session_payload, encode_session_payload, Bitmap::from_bytes, fits, contains, merge, count.
#include <algorithm>

#include "daemon/protocol/session_payload.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/sample_asr.h"

using namespace akm;
using namespace akm::protocol;
using akm::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static test::SeededRandom random;
  // Indexes 0, 3, 6, 9, 12: gaps inside a byte and across one.
  static const AsrDescription group = test::sample_asr(5, random, 3).description;

  const std::span bytes(data, size);
  const auto payload = decode_session_payload(bytes);
  if (!payload) return 0;
  std::vector<std::uint8_t> again(encoded_size(*payload));
  require(encode_session_payload(*payload, again).has_value(), "what was read can be written");
  require(std::ranges::equal(again, bytes), "a payload has one encoding");

  Bitmap all = Bitmap::for_roster(group);
  for (const Member& member : group.roster) all.set(member.index);
  if (payload->bitmap.fits(group)) {
    require(all.contains(payload->bitmap), "a bitmap that fits names members only");
    require(payload->bitmap.count() <= group.roster.size(), "and not more than there are");
  }
  Bitmap joined = all;
  joined.merge(payload->bitmap);
  require(joined.contains(all), "merging takes nothing away");
  return 0;
}
