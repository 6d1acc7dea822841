#include "daemon/nmm/credentials.h"

#include <criterion/criterion.h>

#include "tests/unit/nmm/memory_store.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;

namespace {

/// As Generations does it.
Result<protocol::Chains> draw(Credentials& credentials, MemoryStore& store, protocol::AsrId asr_id,
                              std::uint32_t generation) {
  AKM_ASSIGN(auto drawn, credentials.draw(asr_id, generation));
  AKM_TRY(store.write(drawn.name, drawn.record.reveal()));
  return std::move(drawn.chains);
}

}  // namespace

Test(credentials, are_kept_until_erased) {
  MemoryStore store;
  SeededRandom random(1);
  Credentials credentials(store, random);
  const auto drawn = draw(credentials, store, 7, 3);
  cr_assert(drawn.has_value());
  const auto kept = credentials.read(7, 3);
  cr_assert(kept.has_value());
  for (std::size_t chain = 0; chain < protocol::kChainCount; ++chain) {
    cr_assert((*drawn)[chain].pdv == (*kept)[chain].pdv);
    cr_assert((*drawn)[chain].seed == (*kept)[chain].seed);
    cr_assert_eq((*kept)[chain].epoch, 0U);
  }
  cr_assert(credentials.erase(7));
  cr_assert(credentials.read(7, 3).error().code == Errc::not_found);
  cr_assert(store.records.empty());
}

Test(credentials, of_a_newer_generation_replace_the_older) {
  MemoryStore store;
  SeededRandom random(1);
  Credentials credentials(store, random);
  const auto old = draw(credentials, store, 7, 3);
  const auto fresh = draw(credentials, store, 7, 4);
  cr_assert(credentials.read(7, 3).error().code == Errc::not_found);
  cr_assert_eq(store.records.size(), 1U);
  cr_assert_not((*old)[0].pdv == (*fresh)[0].pdv);
  cr_assert_not((*fresh)[0].pdv == (*fresh)[1].pdv);
}

Test(credentials, nobody_waits_for_are_swept) {
  MemoryStore store;
  SeededRandom random(1);
  Credentials credentials(store, random);
  cr_assert(draw(credentials, store, 7, 1).has_value());
  cr_assert(draw(credentials, store, 8, 1).has_value());
  store.records["nmm-node-0000000000000007"] = {1};
  cr_assert(credentials.sweep([](protocol::AsrId asr_id) { return asr_id == 8; }));
  cr_assert_not(credentials.read(7, 1).has_value());
  cr_assert(credentials.read(8, 1).has_value());
  cr_assert(store.records.contains("nmm-node-0000000000000007"));
}

Test(credentials, a_damaged_record_is_said_to_be) {
  MemoryStore store;
  SeededRandom random(1);
  Credentials credentials(store, random);
  cr_assert(draw(credentials, store, 7, 1).has_value());
  store.records.begin()->second.pop_back();
  cr_assert(credentials.read(7, 1).error().code == Errc::state_corrupt);
}
