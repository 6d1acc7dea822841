#include "tools/akmctl/confirm.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>

#include <string>

#include "daemon/base/unique_fd.h"

using namespace akm;

namespace {

struct Answered {
  Status status;
  std::string shown;
};

Answered answer(const std::string& typed) {
  int master = -1;
  int slave = -1;
  cr_assert_eq(openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const UniqueFd operators(master);
  const UniqueFd programs(slave);
  cr_assert_eq(write(operators.get(), typed.data(), typed.size()), static_cast<ssize_t>(typed.size()));
  Answered out{ctl::confirm(false, "this ends the world", programs.get(), programs.get()), {}};
  // A terminal hands over what was written when it is its turn, and in pieces.
  pollfd more{.fd = operators.get(), .events = POLLIN, .revents = 0};
  while (!out.shown.contains("go on: ") && poll(&more, 1, 10'000) == 1) {
    char shown[256] = {};
    const ssize_t n = read(operators.get(), shown, sizeof shown);
    if (n <= 0) break;
    out.shown.append(shown, static_cast<std::size_t>(n));
  }
  return out;
}

}  // namespace

Test(confirm, yes_at_a_terminal) {
  const Answered yes = answer("yes\n");
  cr_assert(yes.status.has_value());
  cr_assert(yes.shown.contains("This ends the world.\r\nType yes to go on: "), "%s", yes.shown.c_str());
}

Test(confirm, everything_else_is_no) {
  for (const char* word : {"\n", "y\n", "Yes\n", "yes please\n", "no\n"}) {
    const Answered other = answer(word);
    cr_assert(!other.status, "%s", word);
    cr_assert_eq(other.status.error().code, Errc::invalid_argument);
  }
}

Test(confirm, nobody_to_ask) {
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  const Status asked = ctl::confirm(false, "this ends the world", null.get(), null.get());
  cr_assert(!asked);
  cr_assert_eq(asked.error().detail, "this ends the world; say --yes to do it");
  cr_assert(ctl::confirm(true, "this ends the world", null.get(), null.get()).has_value());
}
