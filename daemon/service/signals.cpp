#include "daemon/service/signals.h"

#include <poll.h>
#include <sys/signalfd.h>

#include <csignal>
#include <optional>

#include "daemon/base/loader_environment.h"
#include "daemon/base/log.h"

namespace akm::service {
namespace {

// Of the process, as signals are. Written on the loop thread only.
std::optional<bool> anew;

}  // namespace

Result<UniqueFd> block_stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0)
    return fail_errno(Errc::internal, "pthread_sigmask", error);
  (void)std::signal(SIGPIPE, SIG_IGN);
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return fail_errno(Errc::internal, "signalfd");
  return fd;
}

Status stop_on_signal(io::Loop& loop, const UniqueFd& signals) {
  const int fd = signals.get();
  const auto watch = loop.watch(fd, POLLIN, [&loop, fd](std::uint32_t) {
    signalfd_siginfo info{};
    while (::read(fd, &info, sizeof info) > 0) anew = anew.value_or(true) && info.ssi_signo == SIGHUP;
    loop.stop();
  });
  if (!watch) return std::unexpected(watch.error());
  return {};
}

bool start_anew_asked() {
  return anew.value_or(false);
}

int end_or_start_anew() {
  if (!start_anew_asked()) return 0;
  const Status failed = start_anew();
  log::error("The daemon ends instead of starting anew", {{"AKM_ERROR", failed.error().message()}});
  return 1;
}

}  // namespace akm::service
