#include "daemon/service/patience.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <system_error>
#include <thread>

namespace akm::service {

Status run_detached(std::move_only_function<void()> work) {
  // Signals belong to the loop thread; a new thread inherits the mask.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  Status started;
  try {
    std::thread(std::move(work)).detach();
  } catch (const std::system_error& error) {
    started = fail_errno(Errc::io_failed, "start a thread", error.code().value());
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

Result<UniqueFd> make_eventfd() {
  UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) return fail_errno(Errc::io_failed, "eventfd");
  return fd;
}

void signal_eventfd(int fd) {
  const std::uint64_t one = 1;
  (void)!::write(fd, &one, sizeof one);  // once: it cannot be full
}

}  // namespace akm::service
