#include "daemon/service/signals.h"

#include <poll.h>
#include <sys/signalfd.h>

#include <csignal>

namespace akm::service {

Result<UniqueFd> block_stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0)
    return fail_errno(Errc::internal, "pthread_sigmask", error);
  (void)std::signal(SIGPIPE, SIG_IGN);
  (void)std::signal(SIGHUP, SIG_IGN);
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail_errno(Errc::internal, "signalfd");
  return fd;
}

Status stop_on_signal(io::Loop& loop, const UniqueFd& signals) {
  const int fd = signals.get();
  const auto watch = loop.watch(fd, POLLIN, [&loop, fd](std::uint32_t) {
    signalfd_siginfo info{};
    while (::read(fd, &info, sizeof info) > 0) {
    }
    loop.stop();
  });
  if (!watch) return std::unexpected(watch.error());
  return {};
}

}  // namespace akm::service
