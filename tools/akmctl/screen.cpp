#include "tools/akmctl/screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

namespace akm::ctl {
namespace {

constexpr std::size_t kUsualColumns = 80;

std::string_view environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

std::size_t width_of(int fd) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const std::string_view text = environment("COLUMNS");
  std::size_t columns = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), columns);
  return error == std::errc() && end == text.data() + text.size() && columns > 0 ? columns : kUsualColumns;
}

const char* code_of(Tone tone) {
  switch (tone) {
    case Tone::plain:
      return "";
    case Tone::strong:
      return "1";
    case Tone::faint:
      return "2";
    case Tone::good:
      return "32";
    case Tone::doubtful:
      return "33";
    case Tone::bad:
      return "1;31";
  }
  return "";
}

}  // namespace

Screen& screen() {
  static Screen one;
  return one;
}

Screen screen_of(int fd) {
  if (isatty(fd) == 0) return {};
  const std::string_view terminal = environment("TERM");
  const bool colour = environment("NO_COLOR").empty() && !terminal.empty() && terminal != "dumb";
  return {.columns = width_of(fd), .colour = colour};
}

std::string paint(Tone tone, std::string_view text) {
  if (!screen().colour || tone == Tone::plain || text.empty()) return std::string(text);
  return std::string("\x1b[") + code_of(tone) + "m" + std::string(text) + "\x1b[0m";
}

}  // namespace akm::ctl
