#include "tools/akmctl/full_screen.h"

#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>

namespace akm::ctl {
namespace {

// ECMA-48 and xterm's alternate screen. Lines are cut by us: nothing is to wrap (?7).
constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[?7l";
constexpr std::string_view kLeave = "\x1b[?7h\x1b[?25h\x1b[?1049l";
constexpr std::string_view kHome = "\x1b[H";
constexpr std::string_view kRestOfLine = "\x1b[K";
constexpr std::string_view kRestOfScreen = "\x1b[J";

constexpr Size kLeast{.columns = 20, .rows = 5};

void put(std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = ::write(STDOUT_FILENO, text.data(), text.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return;  // the terminal is gone: wait() sees it
    text.remove_prefix(static_cast<std::size_t>(done));
  }
}

sigset_t signals_of_ours() {
  sigset_t set{};
  (void)sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH})
    (void)sigaddset(&set, number);
  return set;
}

}  // namespace

bool FullScreen::possible() {
  const char* const terminal = std::getenv("TERM");
  return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0 && terminal != nullptr &&
         *terminal != '\0' && std::string_view(terminal) != "dumb";
}

FullScreen::FullScreen() {
  const sigset_t set = signals_of_ours();
  (void)pthread_sigmask(SIG_BLOCK, &set, &mask_before_);
  signals_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  (void)tcgetattr(STDIN_FILENO, &before_);
  termios raw = before_;
  // Ctrl-Z too is a key: a stopped program would leave the picture on the terminal.
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
  raw.c_oflag &= ~static_cast<tcflag_t>(OPOST);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
  put(kEnter);
}

FullScreen::~FullScreen() {
  put(kLeave);
  (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  signals_.reset();
  (void)pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

Size FullScreen::size() {
  winsize now{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) != 0 || now.ws_col == 0 || now.ws_row == 0) return {};
  return {.columns = std::max<std::size_t>(now.ws_col, kLeast.columns),
          .rows = std::max<std::size_t>(now.ws_row, kLeast.rows)};
}

void FullScreen::draw(const std::vector<std::string>& lines) {
  std::string out(kHome);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += "\r\n";
    out.append(lines[i]).append(kRestOfLine);
  }
  out += kRestOfScreen;
  if (out == drawn_) return;
  put(out);
  drawn_ = std::move(out);
}

FullScreen::Input FullScreen::signal_came() {
  signalfd_siginfo info{};
  Input out = Input::none;
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    const auto number = static_cast<int>(info.ssi_signo);
    if (number != SIGWINCH && number != SIGTSTP) return Input::quit;
    if (number == SIGWINCH) out = Input::resized;
  }
  if (out == Input::resized) drawn_.clear();
  return out;
}

FullScreen::Input FullScreen::key_came() {
  constexpr std::string_view kQuit = "qQ\x03\x04\x1c";  // Ctrl-C, Ctrl-D, Ctrl-backslash
  std::array<char, 64> keys{};
  const ssize_t size = ::read(STDIN_FILENO, keys.data(), keys.size());
  if (size < 0) return errno == EINTR || errno == EAGAIN ? Input::none : Input::quit;
  const std::string_view typed(keys.data(), static_cast<std::size_t>(size));
  return typed.find_first_of(kQuit) != std::string_view::npos ? Input::quit : Input::none;
}

FullScreen::Input FullScreen::wait(pollfd also, Duration most) {
  std::array<pollfd, 3> all{{{.fd = signals_.get(), .events = POLLIN, .revents = 0},
                             {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                             also}};
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(most).count();
  if (poll(all.data(), all.size(), static_cast<int>(ms)) <= 0) return Input::none;
  if (all[0].revents != 0) {
    if (const Input input = signal_came(); input != Input::none) return input;
  }
  if ((all[1].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return Input::quit;
  return all[1].revents != 0 ? key_came() : Input::none;
}

}  // namespace akm::ctl
