#include "daemon/service/maintenance.h"

#include <criterion/criterion.h>

#include "tests/support/memory_store.h"

using namespace akm;
using namespace akm::service;
using namespace std::chrono_literals;

namespace {

constexpr Maintenance::BootId kBoot{1};
const Instant kNow{1'000'000'000};

}  // namespace

Test(maintenance, a_window_ends_by_itself) {
  test::MemoryStore store;
  Maintenance windows(store, kBoot);
  cr_assert(windows.open("", 30min, "an update", kNow).has_value());
  const MaintenanceWindow* window = windows.window("", kNow + 29min);
  cr_assert_not_null(window);
  cr_assert_eq(window->why, "an update");
  cr_assert_null(windows.window("", kNow + 30min));
  cr_assert_null(windows.window("other", kNow));
  cr_assert_eq(windows.next_end(kNow)->ns, (kNow + 30min).ns);
  cr_assert_not(windows.next_end(kNow + 30min).has_value());
}

Test(maintenance, it_survives_the_daemon_and_not_the_machine) {
  test::MemoryStore store;
  Maintenance before(store, kBoot);
  cr_assert(before.open("", 30min, "an update", kNow).has_value());
  Maintenance again(store, kBoot);
  cr_assert(again.load(kNow + 1min).has_value());
  cr_assert_not_null(again.window("", kNow + 1min));
  Maintenance late(store, kBoot);
  cr_assert(late.load(kNow + 31min).has_value());
  cr_assert(late.windows(kNow).empty());
  // The clock of another boot begins anew: it would be open for long otherwise.
  Maintenance rebooted(store, {2});
  cr_assert(rebooted.load(Instant{5}).has_value());
  cr_assert_null(rebooted.window("", Instant{5}));
}

Test(maintenance, it_is_closed_and_replaced) {
  test::MemoryStore store;
  Maintenance windows(store, kBoot);
  cr_assert_eq(windows.close("", kNow).error().code, Errc::not_found);
  cr_assert(windows.open("", 30min, "first", kNow).has_value());
  cr_assert(windows.open("", 5min, "second", kNow).has_value());
  cr_assert_null(windows.window("", kNow + 5min));
  cr_assert(windows.open("", 30min, "third", kNow).has_value());
  cr_assert(windows.close("", kNow).has_value());
  cr_assert_null(windows.window("", kNow));
}

Test(maintenance, wrong_ones_are_refused) {
  test::MemoryStore store;
  Maintenance windows(store, kBoot);
  cr_assert_eq(windows.open("", 30min, "", kNow).error().code, Errc::invalid_argument);
  cr_assert_eq(windows.open("", 30min, "a\nb", kNow).error().code, Errc::invalid_argument);
  cr_assert_eq(windows.open("", Duration{0}, "why", kNow).error().code, Errc::invalid_argument);
  for (std::size_t i = 0; i < kMaintenanceWindows; ++i)
    cr_assert(windows.open(std::to_string(i), 1min, "why", kNow).has_value());
  cr_assert_eq(windows.open("one more", 1min, "why", kNow).error().code, Errc::limit_exceeded);
}

Test(maintenance, a_damaged_record_opens_nothing) {
  test::MemoryStore store;
  cr_assert(store.write(kMaintenanceRecord, std::vector<std::uint8_t>{0x82, 0x41}).has_value());
  Maintenance windows(store, kBoot);
  cr_assert_eq(windows.load(kNow).error().code, Errc::state_corrupt);
  cr_assert(windows.windows(kNow).empty());
}
