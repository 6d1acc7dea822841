#pragma once
// org.freedesktop.LogControl1(5): the log's level and target while the daemon runs (systemctl
// service-log-level). Everybody reads, uid 0 sets; a start or a reload goes back to the configuration's.
#include "dbus/authorizer.h"
#include "dbus/bus.h"

namespace akm::dbus {

inline constexpr const char* kLogControlName = "org.freedesktop.LogControl1";
inline constexpr const char* kLogControlPath = "/org/freedesktop/LogControl1";

class LogControl {
 public:
  /// Make it before Bus::start(); both outlive it.
  LogControl(Bus& bus, Authorizer& authorizer);

 private:
  struct Vtable;
  Authorizer& authorizer_;
};

}  // namespace akm::dbus
