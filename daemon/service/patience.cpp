#include "daemon/service/patience.h"

#include <csignal>
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

}  // namespace akm::service
