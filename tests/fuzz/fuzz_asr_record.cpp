// Covers decode_record, encode_record and Engine's RestoreAsr: the record of a relationship as it comes from
// the disk, and what an engine does with one that is well-formed and strange.
#include <algorithm>

#include "daemon/protocol/asr_record.h"
#include "daemon/protocol/engine.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/seeded_random.h"

using namespace akm;
using namespace akm::protocol;
using akm::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr Instant kNow{1'000'000'000};
  if (size > kSecretMaxBytes) return 0;
  const SecretBuffer record = SecretBuffer::copy_of({data, size});
  const auto restored = decode_record(record, kNow);
  if (restored) {
    require(restored->state.current.has_value(), "a record has a current generation");
    const SecretBuffer written = encode_record(restored->state, restored->peer_endpoint);
    const auto again = decode_record(written, kNow);
    require(again.has_value(), "a record that was taken is written and taken again");
    const SecretBuffer settled = encode_record(again->state, again->peer_endpoint);
    require(std::ranges::equal(settled.reveal(), written.reveal()), "and is then the same");
  }

  test::SeededRandom random;
  Engine engine({.incarnation = 9, .salt = 1});
  (void)engine.step(RestoreAsr{record.clone()}, kNow, random);
  const auto held = engine.relationships();
  require(held.size() == (restored ? 1U : 0U), "an engine restores what decodes, and nothing else");
  if (held.empty()) return 0;
  const AsrId id = held.front();
  require(engine.view(id).has_value(), "what is held can be shown");
  (void)engine.step(RequestRekey{id}, kNow, random);
  for (int i = 0; i < 4; ++i) {
    if (const auto due = engine.next_deadline()) (void)engine.step(DeadlineReached{}, *due, random);
  }
  (void)engine.step(RetireAsr{id}, kNow, random);
  return 0;
}
