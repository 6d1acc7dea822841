#include "daemon/io/watch_table.h"

#include <criterion/criterion.h>

using namespace akm::io;

Test(watch_table, an_ended_watch_is_not_found_even_when_its_slot_is_used_again) {
  WatchTable table;
  const auto first = table.add(3, 1, [](std::uint32_t) {}).value();
  const std::uint32_t generation = table.find(first)->generation;
  table.remove(first);
  cr_assert_null(table.find(first));
  cr_assert_null(table.find_slot(WatchTable::slot_of(first), generation));
  const auto second = table.add(3, 1, [](std::uint32_t) {}).value();
  cr_assert_eq(WatchTable::slot_of(first), WatchTable::slot_of(second));
  cr_assert_neq(first, second);
  cr_assert_null(table.find(first));
  cr_assert_null(table.find_slot(WatchTable::slot_of(first), generation));
  cr_assert_not_null(table.find(second));
  table.remove(first);  // of the first: nothing
  cr_assert_not_null(table.find(second));
}

Test(watch_table, each_descriptor_once) {
  WatchTable table;
  cr_assert(table.add(3, 1, [](std::uint32_t) {}).has_value());
  cr_assert(table.add(3, 4, [](std::uint32_t) {}).error().code == akm::Errc::already_exists);
}

Test(watch_table, bounded) {
  WatchTable table;
  for (std::size_t i = 0; i < WatchTable::kWatches; ++i) {
    cr_assert(table.add(static_cast<int>(i), 1, [](std::uint32_t) {}).has_value());
  }
  cr_assert(table.add(99999, 1, [](std::uint32_t) {}).error().code == akm::Errc::limit_exceeded);
  cr_assert_null(table.find(0));
  cr_assert_null(table.find_slot(99999, 0));
}
