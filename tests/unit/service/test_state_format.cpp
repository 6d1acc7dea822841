#include "daemon/service/state_format.h"

#include <criterion/criterion.h>

#include <array>
#include <vector>

#include "tests/support/memory_store.h"

using namespace akm;
using namespace akm::service;
using akm::test::MemoryStore;

namespace {

const std::vector<std::uint8_t> kLater{0, 0, 0, 9, 1, 2, 3};  // and more than we know how to read

}  // namespace

Test(state_format, one_without_a_number_gets_the_present_one_and_keeps_what_it_has) {
  MemoryStore store;
  cr_assert(store.write("asr-1", std::vector<std::uint8_t>{7}));
  cr_assert(migrate_state(store));
  cr_assert_eq(store.read("asr-1")->reveal()[0], 7);
  const auto number = store.read("format");
  cr_assert_eq(number->size(), 4U);
  cr_assert_eq(number->reveal()[3], 1 + state_steps().size());
}

Test(state_format, one_of_a_later_program_is_left_as_it_is) {
  MemoryStore store;
  cr_assert(store.write("format", kLater));
  cr_assert(store.write("asr-1", std::vector<std::uint8_t>{7}));
  const auto before = store.records;
  const auto done = migrate_state(store);
  cr_assert(done.error().code == Errc::newer_version);
  cr_assert(done.error().message().contains("form 9"));
  cr_assert(store.records == before);
}

Test(state_format, steps_come_in_order_each_once_and_a_failed_one_again) {
  MemoryStore store;
  std::vector<int> done;
  bool fails = true;
  const std::array<FormatStep, 2> steps{[&](store::SealedStore&) -> Status {
                                          done.push_back(1);
                                          return {};
                                        },
                                        [&](store::SealedStore&) -> Status {
                                          done.push_back(2);
                                          return fails ? Status(fail(Errc::disk_full)) : Status();
                                        }};
  cr_assert(migrate_state(store, steps).error().code == Errc::disk_full);
  fails = false;
  cr_assert(migrate_state(store, steps));
  cr_assert(migrate_state(store, steps));
  cr_assert(done == (std::vector<int>{1, 2, 2}));
  // The program before knows one step less.
  cr_assert(migrate_state(store, std::span(steps).first(1)).error().code == Errc::newer_version);
}

Test(state_format, a_damaged_number_is_no_number) {
  MemoryStore store;
  for (const std::vector<std::uint8_t>& bad : {std::vector<std::uint8_t>{1}, std::vector<std::uint8_t>(4)}) {
    cr_assert(store.write("format", bad));
    cr_assert(migrate_state(store).error().code == Errc::state_corrupt);
  }
}

Test(state_format, a_disk_that_takes_nothing_is_said) {
  MemoryStore store;
  store.fail_writes = true;
  cr_assert_not(migrate_state(store));
}
