#include "tools/akmctl/full_screen.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

using namespace akm;
using namespace akm::ctl;

namespace {

constexpr pollfd kNothing{.fd = -1, .events = 0, .revents = 0};
constexpr Duration kLong = std::chrono::seconds(20);  // only a failure waits so long

/// This process on a terminal of its own.
struct Terminal {
  Terminal() {
    winsize size{.ws_row = 30, .ws_col = 90, .ws_xpixel = 0, .ws_ypixel = 0};
    int slave = -1;
    cr_assert_eq(openpty(&master, &slave, nullptr, nullptr, &size), 0);
    (void)dup2(slave, STDIN_FILENO);
    (void)dup2(slave, STDOUT_FILENO);
    (void)close(slave);
    (void)setenv("TERM", "xterm", 1);
    (void)fcntl(master, F_SETFL, O_NONBLOCK);
  }
  ~Terminal() { (void)close(master); }
  [[nodiscard]] std::string shown() const {
    std::string out(65536, '\0');
    const ssize_t size = read(master, out.data(), out.size());
    out.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return out;
  }
  void type(const char* keys) const { cr_assert_gt(write(master, keys, strlen(keys)), 0); }
  int master = -1;
};

termios settings() {
  termios out{};
  cr_assert_eq(tcgetattr(STDIN_FILENO, &out), 0);
  return out;
}

}  // namespace

Test(full_screen, the_terminal_is_as_it_was_before) {
  const Terminal terminal;
  cr_assert(FullScreen::possible());
  const termios before = settings();
  {
    const FullScreen screen;
    cr_assert_eq(settings().c_lflag & (ICANON | ECHO | ISIG), 0);
    cr_assert_eq(FullScreen::size().columns, 90);
    cr_assert_eq(FullScreen::size().rows, 30);
  }
  cr_assert_eq(settings().c_lflag, before.c_lflag);
  const std::string shown = terminal.shown();
  cr_assert(shown.starts_with("\x1b[?1049h") && shown.ends_with("\x1b[?1049l"), "%s", shown.c_str());
}

Test(full_screen, it_draws_what_is_new) {
  const Terminal terminal;
  FullScreen screen;
  (void)terminal.shown();
  screen.draw({"one", "two"});
  cr_assert_eq(terminal.shown(), "\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J");
  screen.draw({"one", "two"});
  cr_assert_eq(terminal.shown(), "");
}

Test(full_screen, keys_and_signals) {
  const Terminal terminal;
  FullScreen screen;
  cr_assert_eq(screen.wait(kNothing, Duration{0}), FullScreen::Input::none);
  terminal.type("x");
  cr_assert_eq(screen.wait(kNothing, kLong), FullScreen::Input::none);
  for (const char* key : {"q", "\x03"}) {
    terminal.type(key);
    cr_assert_eq(screen.wait(kNothing, kLong), FullScreen::Input::quit);
  }
  (void)raise(SIGTSTP);
  cr_assert_eq(screen.wait(kNothing, kLong), FullScreen::Input::none,
               "it is not stopped with its picture on");
  (void)raise(SIGWINCH);
  cr_assert_eq(screen.wait(kNothing, kLong), FullScreen::Input::resized);
  screen.draw({"one"});
  (void)raise(SIGTERM);
  cr_assert_eq(screen.wait(kNothing, kLong), FullScreen::Input::quit);
}

Test(full_screen, a_terminal_that_is_gone_ends_it) {
  Terminal terminal;
  FullScreen screen;
  (void)close(terminal.master);
  terminal.master = open("/dev/null", O_RDONLY);
  cr_assert_eq(screen.wait(kNothing, kLong), FullScreen::Input::quit);
}

Test(full_screen, not_where_there_is_no_terminal) {
  const Terminal terminal;
  (void)setenv("TERM", "dumb", 1);
  cr_assert_not(FullScreen::possible());
  (void)setenv("TERM", "xterm", 1);
  (void)dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
  cr_assert_not(FullScreen::possible());
}
