#include "daemon/watch/watch_memory.h"

#include <criterion/criterion.h>

#include "tests/support/memory_store.h"

using namespace akm;
using namespace akm::watch;

Test(watch_memory, remembers_over_a_restart_and_writes_what_changed_only) {
  test::MemoryStore store;
  {
    WatchMemory memory(&store);
    cr_assert(memory.value("a").empty());
    memory.set("a", "1");
    cr_assert(memory.save().has_value());
    memory.set("a", "1");
    cr_assert(memory.save().has_value());
    cr_assert_eq(store.log.size(), 1);
  }
  cr_assert_eq(WatchMemory(&store).value("a"), "1");
}

Test(watch_memory, has_a_maximum_and_does_without_a_store) {
  WatchMemory memory(nullptr);
  for (std::size_t i = 0; i < kMemoryPairs + 5; ++i) memory.set("n" + std::to_string(i), "x");
  memory.set("n0", std::string(kMemoryTextBytes + 1, 'x'));
  cr_assert_eq(memory.value("n0"), "x");
  cr_assert(memory.value("n" + std::to_string(kMemoryPairs)).empty());
  cr_assert(memory.save().has_value());
}

Test(watch_memory, a_damaged_record_is_none_and_a_full_disk_an_error) {
  test::MemoryStore store;
  store.records["watch-memory"] = {0xff, 0x00};
  WatchMemory memory(&store);
  memory.set("a", "1");
  store.fail_writes = true;
  cr_assert_not(memory.save().has_value());
  store.fail_writes = false;
  cr_assert(memory.save().has_value(), "it is tried again");
  cr_assert_eq(WatchMemory(&store).value("a"), "1");
}
