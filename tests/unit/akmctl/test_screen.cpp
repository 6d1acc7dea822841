#include "tools/akmctl/screen.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>

#include "daemon/base/unique_fd.h"

using namespace akm;
using namespace akm::ctl;

namespace {

struct Terminal {
  UniqueFd master, slave;
};

Terminal terminal(unsigned short columns) {
  int master = -1;
  int slave = -1;
  winsize size{.ws_row = 25, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  cr_assert_eq(openpty(&master, &slave, nullptr, nullptr, &size), 0);
  return {UniqueFd(master), UniqueFd(slave)};
}

}  // namespace

Test(screen, a_terminal_has_its_width_and_colour) {
  (void)setenv("TERM", "xterm", 1);
  (void)unsetenv("NO_COLOR");
  const Terminal at = terminal(60);
  cr_assert_eq(screen_of(at.slave.get()).columns, 60);
  cr_assert(screen_of(at.slave.get()).colour);
}

Test(screen, no_color_and_dumb_terminals_are_obeyed) {
  const Terminal at = terminal(60);
  (void)setenv("TERM", "xterm", 1);
  (void)setenv("NO_COLOR", "1", 1);
  cr_assert_not(screen_of(at.slave.get()).colour);
  (void)setenv("NO_COLOR", "", 1);
  cr_assert(screen_of(at.slave.get()).colour, "an empty NO_COLOR is none");
  (void)setenv("TERM", "dumb", 1);
  cr_assert_not(screen_of(at.slave.get()).colour);
  (void)unsetenv("TERM");
  cr_assert_not(screen_of(at.slave.get()).colour);
}

Test(screen, a_terminal_that_does_not_tell_its_width) {
  const Terminal at = terminal(0);
  (void)setenv("COLUMNS", "132", 1);
  cr_assert_eq(screen_of(at.slave.get()).columns, 132);
  (void)setenv("COLUMNS", "many", 1);
  cr_assert_eq(screen_of(at.slave.get()).columns, 80);
}

Test(screen, a_file_has_no_width_and_no_colour) {
  (void)setenv("TERM", "xterm", 1);
  const UniqueFd null(open("/dev/null", O_WRONLY | O_CLOEXEC));
  cr_assert_eq(screen_of(null.get()).columns, 0);
  cr_assert_not(screen_of(null.get()).colour);
}

Test(screen, paint_is_for_screens_with_colour) {
  cr_assert_eq(paint(Tone::bad, "no"), "no");
  screen().colour = true;
  cr_assert_eq(paint(Tone::bad, "no"), "\x1b[1;31mno\x1b[0m");
  cr_assert_eq(paint(Tone::plain, "no"), "no");
  cr_assert_eq(paint(Tone::bad, ""), "");
}
