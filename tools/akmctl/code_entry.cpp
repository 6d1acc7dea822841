#include "tools/akmctl/code_entry.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>

#include "dbus/limits.h"
#include "dbus/sealed_memfd.h"

namespace akm::ctl {
namespace {

constexpr std::size_t kInputBytes = dbus::limits::kCodeBytes + 16;  // room for white space around it

/// Switches the echo of a terminal off while it lives.
class EchoOff {
 public:
  explicit EchoOff(int tty) : tty_(tty), known_(tcgetattr(tty, &before_) == 0) {
    if (!known_) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= ECHONL;
    (void)tcsetattr(tty_, TCSAFLUSH, &quiet);
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;
  ~EchoOff() {
    if (known_) (void)tcsetattr(tty_, TCSAFLUSH, &before_);
  }

 private:
  int tty_;
  termios before_{};
  bool known_;
};

constexpr Asked kPin{"PIN of the token: ", "the PIN", "--pin-file"};

// Up to the end of the file, or of the first line when `one_line`.
Result<SecretBuffer> read_some(int fd, bool one_line, const Asked& what) {
  SecretBuffer input(kInputBytes);
  std::size_t size = 0;
  while (size < input.size()) {
    const ssize_t n = read(fd, input.reveal_mutable().data() + size, one_line ? 1 : input.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(Errc::io_failed, "reading " + std::string(what.name));
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
    if (one_line && input.reveal()[size - 1] == '\n') break;
  }
  if (size == input.size()) return fail(Errc::invalid_argument, std::string(what.name) + " is too long");
  input.shrink(size);
  return input;
}

Result<SecretBuffer> ask(const Asked& what) {
  const UniqueFd tty(open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!tty) {
    return fail(Errc::invalid_argument, "there is no terminal to ask for " + std::string(what.name) +
                                            "; use " + std::string(what.option));
  }
  const EchoOff quiet(tty.get());  // first: it drops what was typed before, and an answer may come at once
  (void)!write(tty.get(), what.prompt.data(), what.prompt.size());
  return read_some(tty.get(), true, what);
}

Result<SecretBuffer> enter(const std::string& file, const Asked& what) {
  if (file.empty()) return ask(what);
  if (file == "-") return read_some(STDIN_FILENO, false, what);
  const UniqueFd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(errno == ENOENT ? Errc::not_found : Errc::io_failed, file);
  return read_some(fd.get(), false, what);
}

}  // namespace

Result<UniqueFd> enter_code(const std::string& file, const Asked& what) {
  AKM_ASSIGN(const SecretBuffer input, enter(file, what));
  std::span<const std::uint8_t> code = input.reveal();
  while (!code.empty() && std::isspace(code.front()) != 0) code = code.subspan(1);
  while (!code.empty() && std::isspace(code.back()) != 0) code = code.first(code.size() - 1);
  if (code.empty()) return fail(Errc::invalid_argument, std::string(what.name) + " is empty");
  if (code.size() > dbus::limits::kCodeBytes)
    return fail(Errc::invalid_argument, std::string(what.name) + " is too long");
  return dbus::make_sealed_memfd("akm-code", code);
}

Result<UniqueFd> enter_pin(const std::string& file) {
  AKM_ASSIGN(SecretBuffer input, enter(file, kPin));
  if (!input.empty() && input.reveal().back() == '\n') input.shrink(input.size() - 1);
  if (input.empty()) return fail(Errc::invalid_argument, "the PIN is empty");
  if (input.size() >= dbus::limits::kPinBytes) return fail(Errc::invalid_argument, "the PIN is too long");
  return dbus::make_sealed_memfd("akm-pin", input.reveal());
}

Result<SecretBuffer> read_code(const UniqueFd& memfd) {
  AKM_ASSIGN(SecretBuffer code, dbus::read_sealed_memfd(memfd.get(), dbus::limits::kCodeBytes));
  const auto bytes = code.reveal();
  if (!std::ranges::all_of(bytes, [](std::uint8_t c) { return std::isalnum(c) != 0 || c == '-'; })) {
    return fail(Errc::malformed, "the one-time code");
  }
  return code;
}

bool show_code(const SecretBuffer& code) {
  if (std::fflush(stdout) != 0) return false;
  std::span<const std::uint8_t> rest = code.reveal();
  while (!rest.empty()) {
    const ssize_t n = write(STDOUT_FILENO, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    rest = rest.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace akm::ctl
