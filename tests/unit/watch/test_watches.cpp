#include "daemon/watch/watches.h"

#include <criterion/criterion.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/base/unique_fd.h"
#include "tests/support/fake_loop.h"
#include "tests/unit/watch/heard.h"

using namespace akm;
using namespace akm::watch;
using akm::test::FakeLoop;
using akm::test::Heard;

namespace {

struct Counted final : Watch {
  explicit Counted(int ready, int& count) : fd_is(ready), looks(count) {}
  [[nodiscard]] int fd() const override { return fd_is; }
  bool nudged() override {
    std::uint64_t value = 0;
    return ::read(fd_is, &value, sizeof value) == sizeof value;
  }
  void look(Instant, const Tell& tell) override {
    ++looks;
    tell({});
  }
  int fd_is;
  int& looks;
};

}  // namespace

Test(watches, look_at_first_then_on_the_timer_and_soon_after_a_nudge) {
  FakeLoop loop;
  Instant now{0};
  Heard heard;
  const UniqueFd event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  int quiet = 0;
  int nudged = 0;
  Watches watches(loop, std::chrono::seconds(60), [&now] { return now; }, heard.tell());
  cr_assert_not(watches.next_deadline().has_value(), "nothing to do, no wake-up");
  watches.add(std::make_unique<Counted>(-1, quiet));
  watches.add(std::make_unique<Counted>(event.get(), nudged));
  cr_assert_eq(quiet, 1);
  cr_assert_eq(nudged, 1);
  cr_assert_eq(*watches.next_deadline(), Instant{} + std::chrono::seconds(60));

  cr_assert_eq(::eventfd_write(event.get(), 1), 0);
  cr_assert(loop.run_ready());
  cr_assert_not(loop.run_ready(), "it is taken");
  cr_assert_eq(nudged, 1, "a storm is one look, a little later");
  now = *watches.next_deadline();
  cr_assert_lt(now, Instant{} + std::chrono::seconds(1));
  watches.deadline_reached();
  cr_assert_eq(nudged, 2);
  cr_assert_eq(quiet, 1);

  now = Instant{} + std::chrono::seconds(60);
  watches.deadline_reached();
  cr_assert_eq(nudged, 3);
  cr_assert_eq(quiet, 2);
  cr_assert_eq(heard.all.size(), 5);
}

Test(watches, leave_the_loop_when_they_go_and_do_without_it) {
  FakeLoop loop;
  Heard heard;
  int looks = 0;
  const UniqueFd event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  {
    Watches watches(loop, std::chrono::seconds(60), [] { return Instant{}; }, heard.tell());
    watches.add(std::make_unique<Counted>(event.get(), looks));
    cr_assert_eq(loop.watches.size(), 1);
  }
  cr_assert(loop.watches.empty());
  loop.fail_watches = true;
  Watches watches(loop, std::chrono::seconds(60), [] { return Instant{}; }, heard.tell());
  watches.add(std::make_unique<Counted>(event.get(), looks));
  cr_assert(watches.next_deadline().has_value());
}
