#include "daemon/protocol/generation.h"

#include <criterion/criterion.h>

#include "tests/support/asr_fixture.h"

using namespace akm;
using namespace akm::protocol;

Test(generation, all_three_chains_step_to_epoch_1) {
  const Asr asr = testing::fixed_asr(3);
  const auto generation = Generation::install(asr, 1);
  cr_assert(generation);
  for (const ChainLink* link : generation->ladder.links()) cr_assert_eq(link->epoch(), 1U);
  cr_assert(generation->chain(Chain::fallback).link().chain() == Chain::fallback);
  const auto other = Generation::install(asr, 2);
  cr_assert(generation->check() == other->check(), "all members have the same key");
  testing::SeededRandom random(1);
  cr_assert(generation->around(Instant{}, random).reachable);
}

Test(generation, refuses_what_it_cannot_run) {
  Asr asr = testing::fixed_asr(3);
  cr_assert_eq(Generation::install(asr, 9).error().code, Errc::invalid_argument);
  asr.chains[2].epoch = 4;
  cr_assert_eq(Generation::install(asr, 1).error().code, Errc::invalid_argument);
  asr.description.id = 0;
  cr_assert_eq(Generation::install(asr, 1).error().code, Errc::invalid_argument);
}

Test(generation, refuses_a_roster_that_frames_or_records_cannot_carry) {
  Asr asr = testing::fixed_asr(3);
  asr.description.roster[2].endpoints = {"not an endpoint"};
  cr_assert_eq(Generation::install(asr, 1).error().code, Errc::invalid_argument);
  asr.description.roster[2].endpoints.assign(limits::kEndpointsPerMember + 1, "10.0.0.1:1");
  cr_assert(!Generation::install(asr, 1));
  asr.description.roster[2].endpoints.clear();
  asr.description.roster[2].index = limits::kMembers;
  cr_assert(!Generation::install(asr, 1));
}

Test(generation, without_endpoints_nobody_is_reachable) {
  const Asr asr = testing::fixed_asr(2, 1, Kind::provisioning, false);
  const auto generation = Generation::install(asr, 0);
  testing::SeededRandom random(1);
  cr_assert(!generation->around(Instant{}, random).reachable);
}
