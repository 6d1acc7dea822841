#pragma once
// The service manager's notification protocol (sd_notify), only where it started us (NOTIFY_SOCKET).
#include <optional>
#include <string_view>

#include "daemon/base/instant.h"
#include "daemon/io/loop.h"

namespace akm::service {

class ServiceManager {
 public:
  /// Arms the watchdog on `loop` where WATCHDOG_USEC asks for it: the only periodic wake-up, at half that
  /// time.
  explicit ServiceManager(io::Loop& loop);
  void ready(std::string_view status);
  void status(std::string_view text);
  /// The loop has ended: for good, or to start anew with the configuration of now.
  void stopping();

 private:
  std::optional<Duration> watchdog_;
  Instant next_;
};

}  // namespace akm::service
