#include "daemon/node/drive_watch.h"

#include <criterion/criterion.h>
#include <poll.h>

#include "tests/support/fake_loop.h"
#include "tests/support/loop_drive.h"

using namespace akm;
using namespace akm::node;
using akm::test::FakeLoop;

Test(drive_watch, a_drive_that_comes_is_noticed) {
  FakeLoop loop;
  std::size_t changes = 0;
  const auto watch = DriveWatch::create(loop, [&changes] { ++changes; });
  cr_assert(watch.has_value(), "%s", watch.error().message().c_str());
  cr_assert_eq(loop.watches.size(), 2, "udev's events and the kernel's");
  NEED_LOOP_DRIVE(drive);
  pollfd ready[2] = {};
  std::size_t at = 0;
  for (const auto& [id, one] : loop.watches) ready[at++] = {one.fd, POLLIN, 0};
  cr_assert_gt(::poll(ready, 2, -1), 0);
  loop.run_ready();
  cr_assert_gt(changes, 0);
}

Test(drive_watch, leaves_the_loop_when_it_goes) {
  FakeLoop loop;
  {
    const auto watch = DriveWatch::create(loop, [] {});
    cr_assert(watch.has_value());
  }
  cr_assert(loop.watches.empty());
  loop.fail_watches = true;
  cr_assert_eq(DriveWatch::create(loop, [] {}).error().code, Errc::limit_exceeded);
}
