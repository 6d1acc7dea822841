#include "daemon/service/service_manager.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string>

#include "daemon/service/signals.h"

namespace akm::service {
namespace {

// Without NOTIFY_SOCKET sd_notify does nothing and returns 0; a failed notification is the manager's to
// notice.
void notify(const std::string& state) {
  (void)sd_notify(0, state.c_str());
}

}  // namespace

ServiceManager::ServiceManager(io::Loop& loop) {
  std::uint64_t watchdog_us = 0;
  if (sd_watchdog_enabled(0, &watchdog_us) <= 0 || watchdog_us == 0) return;
  watchdog_ = std::chrono::microseconds(watchdog_us / 2);
  next_ = boottime_now() + *watchdog_;
  loop.add_deadline([this] { return std::optional(next_); },
                    [this] {
                      notify("WATCHDOG=1");
                      next_ = boottime_now() + *watchdog_;
                    });
}

void ServiceManager::ready(std::string_view status) {
  notify(fmt::format("READY=1\nSTATUS={}", status));
}

void ServiceManager::status(std::string_view text) {
  notify(fmt::format("STATUS={}", text));
}

void ServiceManager::stopping() {
  if (!start_anew_asked()) return notify("STOPPING=1");
  timespec now{};
  (void)::clock_gettime(CLOCK_MONOTONIC, &now);  // of the manager's clock, which stops in a suspend
  notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                     std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000));
}

}  // namespace akm::service
