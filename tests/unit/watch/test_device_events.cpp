#include "daemon/watch/device_events.h"

#include <criterion/criterion.h>
#include <poll.h>

#include "tests/support/loop_drive.h"

using namespace akm;
using namespace akm::watch;

Test(device_events, a_device_that_comes_is_handed_over_and_others_are_not) {
  const auto events = DeviceEvents::open(DeviceEvents::Source::kernel, {{"block", nullptr}});
  const auto others = DeviceEvents::open(DeviceEvents::Source::kernel, {{"usb", "usb_interface"}});
  cr_assert(events.has_value() && others.has_value());
  NEED_LOOP_DRIVE(drive);
  pollfd ready{(*events)->fd(), POLLIN, 0};
  cr_assert_eq(::poll(&ready, 1, -1), 1);
  std::size_t seen = 0;
  cr_assert((*events)->drain([&seen](const DeviceEvent& event) {
    cr_assert_eq(event.subsystem, "block");
    cr_assert_not(event.path.empty());
    ++seen;
  }));
  cr_assert_gt(seen, 0);
  cr_assert_not((*others)->drain([](const DeviceEvent&) { cr_assert_fail("of another subsystem"); }));
}
