#pragma once
// Says that a block device came, went or changed, by udev where it runs and by the kernel's own events where
// it does not (a container, a network namespace other than udev's). What an event says is not believed: it is
// a nudge to look.
#include <array>
#include <functional>
#include <memory>
#include <optional>

#include "daemon/io/loop.h"
#include "daemon/watch/device_events.h"

namespace akm::node {

class DriveWatch {
 public:
  /// `changed` is called on the loop, some events at a time. io_failed. The loop outlives it.
  static Result<std::unique_ptr<DriveWatch>> create(io::Loop& loop, std::function<void()> changed);
  ~DriveWatch();
  DriveWatch(const DriveWatch&) = delete;
  DriveWatch& operator=(const DriveWatch&) = delete;

 private:
  DriveWatch(io::Loop& loop, std::function<void()> changed) : loop_(loop), changed_(std::move(changed)) {}
  struct Monitor {
    std::unique_ptr<watch::DeviceEvents> events;
    std::optional<io::Loop::WatchId> watch;
  };
  Status listen(Monitor& on, watch::DeviceEvents::Source source);

  io::Loop& loop_;
  std::function<void()> changed_;
  std::array<Monitor, 2> monitors_;
};

}  // namespace akm::node
