#pragma once
// A dbus::Bus on an io::Loop: its descriptor, its deadline, its flush at the end of each turn.
#include <functional>
#include <optional>

#include "daemon/base/result.h"
#include "daemon/io/loop.h"
#include "dbus/bus.h"

namespace akm::service {

/// Make it after the adaptors, then start(). Both outlive it, and it the loop's run.
class BusWiring {
 public:
  BusWiring(io::Loop& loop, dbus::Bus& bus);
  /// `ready` is called once, when the bus name is first owned: callers can reach us.
  Status start(std::function<void()> ready);

 private:
  void fd_changed(int fd);
  void end_of_turn();

  io::Loop& loop_;
  dbus::Bus& bus_;
  std::function<void()> ready_;
  std::optional<io::Loop::WatchId> watch_;
  short events_ = 0;
};

}  // namespace akm::service
