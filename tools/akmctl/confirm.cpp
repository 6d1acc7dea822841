#include "tools/akmctl/confirm.h"

#include <cerrno>
#include <string>

namespace akm::ctl {
namespace {

/// Up to the end of the line; what is longer than any answer is none.
std::string read_answer(int fd) {
  constexpr std::size_t kMost = 64;
  std::string line;
  char c = 0;
  while (line.size() < kMost) {
    const ssize_t n = read(fd, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0 || c == '\n') break;
    line.push_back(c);
  }
  return line;
}

}  // namespace

Status confirm(bool yes, std::string_view what, int in, int out) {
  if (yes) return {};
  if (isatty(in) == 0 || isatty(out) == 0)
    return fail(Errc::invalid_argument, std::string(what) + "; say --yes to do it");
  std::string question = std::string(what) + ".\nType yes to go on: ";
  question.front() = static_cast<char>(
      question.front() >= 'a' && question.front() <= 'z' ? question.front() - 'a' + 'A' : question.front());
  (void)!write(out, question.data(), question.size());
  if (read_answer(in) == "yes") return {};
  return fail(Errc::invalid_argument, "it was not confirmed, and nothing was done");
}

}  // namespace akm::ctl
