#include "daemon/service/service_manager.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <cstdlib>
#include <string>

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
  notify("STOPPING=1");
}

}  // namespace akm::service
