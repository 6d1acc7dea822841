#include "daemon/base/worker_thread.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <string>
#include <system_error>

namespace akm {

Result<std::thread> start_thread(std::string_view what, std::move_only_function<void()> work) {
  // A new thread inherits the mask.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  Result<std::thread> out;
  try {
    out = std::thread(std::move(work));
  } catch (const std::system_error& error) {
    out = fail_errno(Errc::io_failed, "start " + std::string(what), error.code().value());
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return out;
}

Result<UniqueFd> make_eventfd() {
  UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) return fail_errno(Errc::io_failed, "eventfd");
  return fd;
}

void signal_eventfd(int fd) {
  const std::uint64_t one = 1;
  (void)!::write(fd, &one, sizeof one);
}

}  // namespace akm
